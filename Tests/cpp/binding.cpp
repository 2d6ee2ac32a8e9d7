// Exercises apus.hpp; built with and without exceptions. Arguments: a model whose function main
// turns x [batch, 3] into y = relu(x), with a function "other" and metadata "name" = "test".
#include "apus.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) {                                                   \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                       \
    }                                                                     \
  } while (false)

static_assert(std::is_nothrow_move_constructible_v<apus::model>);
static_assert(std::is_nothrow_move_assignable_v<apus::session>);
static_assert(!std::is_copy_constructible_v<apus::model>);
static_assert(!std::is_copy_assignable_v<apus::session>);
static_assert(std::is_error_code_enum_v<apus::status>);
static_assert(apus::dtype_of<const float>() == apus::dtype::float32);

namespace {

void with_failures(const char *path) {
  apus::failure cause;

  // A failure is filled in, and cleared by the next success.
  CHECK(!apus::model::open("/nowhere/net.apus", {}, cause));
  CHECK(cause && cause.code == apus::status::file_not_found);
  CHECK(cause.code.category() == apus::category());
  CHECK(cause.code.message() == "APUS_ERROR_FILE_NOT_FOUND");
  CHECK(cause.message.find("/nowhere/net.apus") != std::string::npos);
  CHECK(!apus::model::open_memory("ONNX", 4, {}, cause));
  CHECK(cause.code == apus::status::not_a_model);

  apus::model_options options;
  options.isa = "sse9";
  CHECK(!apus::model::open(path, options, cause));
  CHECK(cause.code == apus::status::unknown_name);

  options.isa = "baseline";
  apus::model model = apus::model::open(std::string(path), options, cause);
  CHECK(model && !cause && cause.message.empty());
  CHECK(model.isa() == "baseline");
  CHECK(model.function_count() == 2);
  CHECK(model.function_name(0) == "main" && model.function_name(2).empty());
  CHECK(model.metadata("name") == "test" && !model.metadata("nothing"));
  CHECK(model.input_count() == 1 && model.output_count() == 1);
  CHECK(model.input_info(0).name == "x");
  CHECK(model.input_info(0).type == apus::dtype::float32);
  CHECK((model.input_info(0).shape == apus::shape{-1, 3}));
  CHECK(model.output_info(1).name.empty());

  apus::session_options wanted;
  wanted.input_shape("x", {2, 3}).threads(2).spin_microseconds(1).function("main");
  CHECK(model.has_precision(apus::precision::float32));
  wanted.precision(apus::precision::float32).winograd(false);
  wanted.parallel_for(
      [](void *, size_t count, apus_task task, void *argument) {
        for (size_t i = 0; i < count; i++) task(argument, i);
      },
      nullptr);
  const std::size_t bytes = model.arena_size(wanted, cause);
  CHECK(bytes > 0 && !cause);
  std::vector<unsigned char> arena(bytes + APUS_ARENA_ALIGNMENT);
  void *start = arena.data();
  std::size_t space = arena.size();
  CHECK(std::align(APUS_ARENA_ALIGNMENT, bytes, start, space));
  wanted.arena(start, bytes - 1);
  CHECK(!model.create_session(wanted, cause));
  CHECK(cause.code == apus::status::arena_too_small);
  wanted.arena(start, bytes);
  apus::session session = model.create_session(wanted, cause);
  CHECK(session && !cause);
  model = apus::model();  // the session keeps it alive

  CHECK(session.input_count() == 1 && session.output_count() == 1);
  CHECK((session.input_info(0).shape == apus::shape{2, 3}));
  CHECK(session.find_output("y") == 0 && session.find_output("z") == apus::session::npos);
  CHECK(!session.input("z") && !session.input(1));
  CHECK(session.input("z").as<float>(cause).empty());
  CHECK(cause.code == apus::status::invalid_type);

  apus::span<float> x = session.input("x").as<float>(cause);
  CHECK(x.size() == 6 && x.size_bytes() == session.input(0).size_bytes());
  std::iota(x.begin(), x.end(), -2.0f);
  CHECK(session.run(cause) && !cause);
  apus::span<const float> y = session.output("y").as<float>(cause);
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == (i < 2 ? 0.0f : float(i) - 2.0f));
  CHECK(session.output("y").as<std::int32_t>(cause).empty());
  CHECK(cause.message == "the tensor is float32 and was asked for as int32");

  const std::vector<float> own{-1, 1, -1, 1, -1, 5};
  CHECK(session.bind(0, apus::span<const float>(own), cause));
  CHECK(session.run(cause) && y[5] == 5.0f && y[4] == 0.0f);
  CHECK(!session.bind(0, apus::span<const float>(own.data(), 5), cause));
  CHECK(cause.code == apus::status::invalid_shape);
  const std::vector<std::int32_t> wrong(6);
  CHECK(!session.bind(0, apus::span<const std::int32_t>(wrong), cause));
  CHECK(cause.code == apus::status::invalid_type);
  CHECK(!session.bind(7, apus::span<const float>(own), cause));
  CHECK(cause.code == apus::status::invalid_argument);
  session.unbind(0);
  CHECK(session.run(cause) && y[5] == 3.0f);
  session.reset();
  CHECK(session.memory().arena == bytes);

  // What was moved from is empty and harmless.
  apus::session other = std::move(session);
  CHECK(other && !session);                                // NOLINT(bugprone-use-after-move)
  CHECK(!session.run(cause) && cause.code == apus::status::invalid_handle);
  CHECK(session.input_count() == 0 && !session.output(0) && session.memory().arena == 0);
  apus::session &same = other;
  other = std::move(same);
  CHECK(other.run(cause));
  other = apus::session();
  CHECK(!other);
}

#if APUS_HPP_EXCEPTIONS
template <class Body>
apus::error thrown(Body body) {
  try {
    body();
  } catch (const apus::error &caught) {
    return caught;
  }
  std::fprintf(stderr, "nothing was thrown\n");
  std::exit(1);
}

void with_exceptions(const char *path) {
  CHECK(thrown([] { apus::model::open("/nowhere"); }).code() == apus::status::file_not_found);
  CHECK(std::strstr(thrown([] { apus::model::open("/nowhere"); }).what(), "/nowhere"));
  CHECK(thrown([] { apus::model::open_memory("?", 1); }).code() == apus::status::not_a_model);
  apus::model model = apus::model::open(path);
  apus::session_options none;
  none.function("none");
  CHECK(thrown([&] { model.create_session(none); }).code() == apus::status::unknown_name);
  CHECK(thrown([&] { model.arena_size(none); }).code() == apus::status::unknown_name);
  CHECK(thrown([] { apus::session().run(); }).code() == apus::status::invalid_handle);
  apus::session session = model.create_session();
  CHECK(thrown([&] { session.output(0).as<bool>(); }).code() == apus::status::invalid_type);
  const std::array<float, 3> x{-1, 2, -3};
  CHECK(thrown([&] { session.bind(1, apus::span<const float>(x)); }).code() ==
        apus::status::invalid_argument);
  session.bind(0, apus::span<const float>(x));
  session.run();
  const auto y = session.output("y").as<const float>();
  CHECK(y.size() == 3 && y[0] == 0 && y[1] == 2 && y[2] == 0);
}
#endif

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 2);
  CHECK(apus::version() == apus::build_info().version);
  CHECK(apus::build_info().operator_count > 0);
  with_failures(argv[1]);
#if APUS_HPP_EXCEPTIONS
  with_exceptions(argv[1]);
#endif
  std::puts("fine");
}
