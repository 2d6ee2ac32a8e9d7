// apus.hpp - run convolutional and recurrent networks from C++
// SPDX-License-Identifier: Apache-2.0
//
// The shortest way from a file to an answer:
//
//     apus::model model = apus::model::open("net.apus");
//     apus::session session = model.create_session();
//     std::copy(pixels.begin(), pixels.end(), session.input(0).as<float>().begin());
//     session.run();
//     for (float score : session.output("scores").as<float>()) use(score);
//
// Header-only over apus.h, C++17, nothing but the standard library; link with -lapus.
//
// Ownership. model and session own their C handle, can be moved and not copied, and free it at the
// end. A session keeps its model alive. Views (tensor, span, string_view) own nothing; they are
// valid as long as what they were taken from.
//
// Errors, at choice, as in std::filesystem: every function that can fail has two forms. The one
// without an error argument throws apus::error. The one that takes an apus::failure & last never
// throws for what the library reports: it clears or fills it in (a std::error_code and a sentence),
// and returns an empty object where it fails. With -fno-exceptions only the second form is there.
// std::bad_alloc may come from std::string and std::vector in both.
//
// Threads and real-time: as the C functions of the same name in apus.h say. run(), reset(), input(),
// output() and bind() allocate nothing where they succeed.
#ifndef APUS_HPP
#define APUS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "apus.h"

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define APUS_HPP_EXCEPTIONS 1
#else
#define APUS_HPP_EXCEPTIONS 0
#endif

namespace apus {

// ---- Errors -------------------------------------------------------------------------------------

/// apus_status, as a type of its own that std::error_code takes.
enum class status : int {
  ok = APUS_OK,
  invalid_argument = APUS_ERROR_INVALID_ARGUMENT,
  invalid_handle = APUS_ERROR_INVALID_HANDLE,
  invalid_shape = APUS_ERROR_INVALID_SHAPE,
  invalid_type = APUS_ERROR_INVALID_TYPE,
  unknown_name = APUS_ERROR_UNKNOWN_NAME,
  arena_too_small = APUS_ERROR_ARENA_TOO_SMALL,
  arena_misaligned = APUS_ERROR_ARENA_MISALIGNED,
  file_not_found = APUS_ERROR_FILE_NOT_FOUND,
  file_unreadable = APUS_ERROR_FILE_UNREADABLE,
  not_a_model = APUS_ERROR_NOT_A_MODEL,
  newer_format = APUS_ERROR_NEWER_FORMAT,
  corrupt_file = APUS_ERROR_CORRUPT_FILE,
  invalid_model = APUS_ERROR_INVALID_MODEL,
  unsupported = APUS_ERROR_UNSUPPORTED,
  out_of_memory = APUS_ERROR_OUT_OF_MEMORY,
  thread_failed = APUS_ERROR_THREAD_FAILED,
  unsupported_processor = APUS_ERROR_UNSUPPORTED_PROCESSOR
};

/// The category of apus::status: error_code::message() is the number's name.
inline const std::error_category &category() noexcept {
  class status_category final : public std::error_category {
   public:
    const char *name() const noexcept override { return "apus"; }
    std::string message(int value) const override {
      return apus_status_name(static_cast<apus_status>(value));
    }
  };
  static const status_category instance;
  return instance;
}

inline std::error_code make_error_code(status value) noexcept {
  return {static_cast<int>(value), category()};
}

/// Why a call failed: a number for programs, and one sentence for people that names the field,
/// operator or argument, what was found and what was wanted.
struct failure {
  std::error_code code;
  std::string message;

  /// Whether there was a failure.
  explicit operator bool() const noexcept { return static_cast<bool>(code); }

  void clear() noexcept {
    code.clear();
    message.clear();
  }
};

#if APUS_HPP_EXCEPTIONS
/// What the throwing form of a function throws; what() is the library's sentence.
class error : public std::runtime_error {
 public:
  explicit error(const failure &cause) : std::runtime_error(cause.message), code_(cause.code) {}
  const std::error_code &code() const noexcept { return code_; }

 private:
  std::error_code code_;
};
#endif

namespace detail {

/// Takes over what a C call reported; true where it succeeded.
inline bool report(apus_status result, const apus_error &cause, failure &to) {
  if (result == APUS_OK) {
    to.clear();
    return true;
  }
  to.code = make_error_code(static_cast<status>(result));
  to.message = cause.message;
  return false;
}

inline void fail(status value, std::string_view message, failure &to) {
  to.code = make_error_code(value);
  to.message = message;
}

}  // namespace detail

// ---- Tensors ------------------------------------------------------------------------------------

/// Elements that somebody else owns: a pointer and a count.
template <class T>
class span {
 public:
  using element_type = T;
  using value_type = std::remove_cv_t<T>;
  using iterator = T *;

  constexpr span() noexcept = default;
  constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t n>
  constexpr span(T (&array)[n]) noexcept : data_(array), size_(n) {}
  /// From std::vector, std::array, std::span, span<U> and whatever else has data() and size().
  template <class Container,
            class = std::enable_if_t<std::is_convertible_v<
                std::remove_pointer_t<decltype(std::declval<Container &>().data())> (*)[],
                T (*)[]>>,
            class = decltype(std::declval<Container &>().size())>
  constexpr span(Container &&container) noexcept
      : data_(container.data()), size_(static_cast<std::size_t>(container.size())) {}

  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr std::size_t size_bytes() const noexcept { return size_ * sizeof(T); }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

/// apus_dtype. The 16-bit types are for weights only.
enum class dtype : int {
  none = 0,
  float32 = APUS_FLOAT32,
  float16 = APUS_FLOAT16,
  bfloat16 = APUS_BFLOAT16,
  int8 = APUS_INT8,
  uint8 = APUS_UINT8,
  int32 = APUS_INT32,
  int64 = APUS_INT64,
  boolean = APUS_BOOL
};

/// "float32" ...; "unknown" for dtype::none.
inline std::string_view to_string(dtype type) noexcept {
  return apus_dtype_name(static_cast<apus_dtype>(type));
}

/// The element type that C++ knows as T.
template <class T>
constexpr dtype dtype_of() noexcept {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, float>) return dtype::float32;
  if constexpr (std::is_same_v<U, std::int8_t>) return dtype::int8;
  if constexpr (std::is_same_v<U, std::uint8_t>) return dtype::uint8;
  if constexpr (std::is_same_v<U, std::int32_t>) return dtype::int32;
  if constexpr (std::is_same_v<U, std::int64_t>) return dtype::int64;
  if constexpr (std::is_same_v<U, bool>) return dtype::boolean;
  return dtype::none;
}

/// Dimensions, outermost first, at most APUS_MAX_RANK; -1 stands for a free one. Past the end the
/// dimensions that do not fit are dropped, and the library says that the rank is wrong.
class shape {
 public:
  shape() noexcept = default;
  shape(std::initializer_list<std::int64_t> dims) noexcept : shape(dims.begin(), dims.size()) {}
  shape(const std::int64_t *dims, std::size_t rank) noexcept {
    rank_ = rank < APUS_MAX_RANK ? rank : APUS_MAX_RANK;
    for (std::size_t i = 0; i < rank_; ++i) dims_[i] = dims[i];
  }

  std::size_t rank() const noexcept { return rank_; }
  const std::int64_t *data() const noexcept { return dims_.data(); }
  std::int64_t operator[](std::size_t axis) const noexcept { return dims_[axis]; }
  const std::int64_t *begin() const noexcept { return dims_.data(); }
  const std::int64_t *end() const noexcept { return dims_.data() + rank_; }

  friend bool operator==(const shape &a, const shape &b) noexcept {
    if (a.rank_ != b.rank_) return false;
    for (std::size_t i = 0; i < a.rank_; ++i)
      if (a.dims_[i] != b.dims_[i]) return false;
    return true;
  }
  friend bool operator!=(const shape &a, const shape &b) noexcept { return !(a == b); }

 private:
  std::array<std::int64_t, APUS_MAX_RANK> dims_{};
  std::size_t rank_ = 0;
};

/// An input or output as a model or a session declares it. The name lives as long as the model.
struct tensor_info {
  std::string_view name;
  dtype type = dtype::none;
  apus::shape shape;
  /// Of integers that stand for real numbers: real = scale * (q - zero_point); otherwise 0.
  float scale = 0;
  std::int32_t zero_point = 0;
};

/// A session's tensor: a view of its memory.
class tensor {
 public:
  tensor() noexcept = default;
  explicit tensor(const apus_tensor &raw) noexcept : raw_(raw) {}

  /// Whether there is such a tensor.
  explicit operator bool() const noexcept { return raw_.data != nullptr; }
  dtype type() const noexcept { return static_cast<dtype>(raw_.dtype); }
  apus::shape shape() const noexcept { return {raw_.dims, raw_.rank}; }
  void *data() const noexcept { return raw_.data; }
  std::size_t size_bytes() const noexcept { return raw_.bytes; }

  /// The elements; fails with status::invalid_type where they are no T.
  template <class T>
  span<T> as(failure &cause) const {
    static_assert(dtype_of<T>() != dtype::none, "no element type of Apus");
    if (type() != dtype_of<T>()) {
      std::string message = "the tensor is ";
      message += raw_.data ? to_string(type()) : "missing";
      message += " and was asked for as ";
      message += to_string(dtype_of<T>());
      detail::fail(status::invalid_type, message, cause);
      return {};
    }
    cause.clear();
    return {static_cast<T *>(raw_.data), raw_.bytes / sizeof(T)};
  }

#if APUS_HPP_EXCEPTIONS
  template <class T>
  span<T> as() const {
    failure cause;
    span<T> elements = as<T>(cause);
    if (cause) throw error(cause);
    return elements;
  }
#endif

 private:
  apus_tensor raw_{};
};

// ---- Sessions -----------------------------------------------------------------------------------

/// What a session multiplies matrices in: apus_precision.
enum class precision : int { float32 = APUS_PRECISION_FLOAT32, bf16 = APUS_PRECISION_BF16 };

/// What a session shall be like. All defaults: the default function, one thread, an arena of its
/// own, free dimensions 1.
class session_options {
 public:
  /// The function to run.
  session_options &function(std::string name) {
    function_ = std::move(name);
    return *this;
  }
  /// Threads that share the work of a run, the caller's among them: 1 to 64.
  session_options &threads(std::size_t count) noexcept {
    threads_ = count;
    return *this;
  }
  /// How long a thread of the session spins for more work before it sleeps; 0: 200 microseconds.
  session_options &spin_microseconds(std::uint32_t microseconds) noexcept {
    spin_microseconds_ = microseconds;
    return *this;
  }
  /// The caller's own threads instead of the session's; apus_parallel_for in apus.h.
  session_options &parallel_for(apus_parallel_for body, void *context) noexcept {
    parallel_for_ = body;
    parallel_for_context_ = context;
    return *this;
  }
  /// What matrices are multiplied in; model::has_precision says whether it can be had.
  session_options &precision(apus::precision wanted) noexcept {
    precision_ = wanted;
    return *this;
  }
  /// Whether convolutions may be computed by Winograd's transforms: faster, for more memory.
  session_options &winograd(bool allowed) noexcept {
    winograd_ = allowed;
    return *this;
  }
  /// The caller's memory, aligned to APUS_ARENA_ALIGNMENT, kept until the session is gone.
  session_options &arena(void *memory, std::size_t bytes) noexcept {
    arena_ = memory;
    arena_size_ = bytes;
    return *this;
  }
  /// The shape of an input that has free dimensions.
  session_options &input_shape(std::string name, apus::shape dims) {
    shapes_.emplace_back(std::move(name), dims);
    return *this;
  }

 private:
  friend class model;

  /// Calls body with the C struct, which points into this object.
  template <class Body>
  auto with_c_options(Body body) const {
    std::vector<apus_input_shape> shapes;
    shapes.reserve(shapes_.size());
    for (const auto &entry : shapes_)
      shapes.push_back({entry.first.c_str(), entry.second.rank(), entry.second.data()});
    apus_session_options raw = APUS_SESSION_OPTIONS_INIT;
    if (function_) raw.function = function_->c_str();
    raw.threads = threads_;
    raw.spin_microseconds = spin_microseconds_;
    raw.parallel_for = parallel_for_;
    raw.parallel_for_context = parallel_for_context_;
    raw.precision = static_cast<apus_precision>(precision_);
    raw.no_winograd = !winograd_;
    raw.arena = arena_;
    raw.arena_size = arena_size_;
    raw.input_shapes = shapes.data();
    raw.input_shape_count = shapes.size();
    return body(&raw);
  }

  std::optional<std::string> function_;
  std::size_t threads_ = 1;
  std::uint32_t spin_microseconds_ = 0;
  apus_parallel_for parallel_for_ = nullptr;
  void *parallel_for_context_ = nullptr;
  apus::precision precision_ = apus::precision::float32;
  bool winograd_ = true;
  void *arena_ = nullptr;
  std::size_t arena_size_ = 0;
  std::vector<std::pair<std::string, apus::shape>> shapes_;
};

/// What a session's memory is for, in bytes: apus_memory_info.
struct memory_info {
  std::size_t arena = 0;
  std::size_t arena_lower_bound = 0;
  std::size_t states = 0;
  std::size_t packed_weights = 0;
};

/// One arena, and everything prepared to run one function in it; made by model::create_session().
/// One thread at a time may use a session.
class session {
 public:
  /// Empty: no session.
  session() noexcept = default;
  session(session &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  session &operator=(session &&other) noexcept {
    if (this != &other) {
      apus_session_destroy(handle_);
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  session(const session &) = delete;
  session &operator=(const session &) = delete;
  ~session() { apus_session_destroy(handle_); }

  explicit operator bool() const noexcept { return handle_ != nullptr; }
  /// The C handle, still owned by this object.
  apus_session *get() const noexcept { return handle_; }

  std::size_t input_count() const noexcept { return apus_session_input_count(handle_); }
  std::size_t output_count() const noexcept { return apus_session_output_count(handle_); }
  /// Name, type and shape; an empty name where there is no such tensor.
  tensor_info input_info(std::size_t index) const noexcept {
    return info(apus_session_input_info, index);
  }
  tensor_info output_info(std::size_t index) const noexcept {
    return info(apus_session_output_info, index);
  }

  /// The tensor to write before a run, or to read after it; converts to false where there is none
  /// of that number or name.
  tensor input(std::size_t index) const noexcept {
    return tensor(apus_session_input(handle_, index));
  }
  tensor output(std::size_t index) const noexcept {
    return tensor(apus_session_output(handle_, index));
  }
  tensor input(std::string_view name) const noexcept { return input(find_input(name)); }
  tensor output(std::string_view name) const noexcept { return output(find_output(name)); }

  /// The number of the input or output with this name; npos where there is none.
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
  std::size_t find_input(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < input_count(); ++i)
      if (input_info(i).name == name) return i;
    return npos;
  }
  std::size_t find_output(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < output_count(); ++i)
      if (output_info(i).name == name) return i;
    return npos;
  }

  /// Makes the session read an input from the caller's elements, without a copy, until unbind().
  /// They must stay where they are, unchanged during runs.
  template <class T>
  bool bind(std::size_t index, span<const T> elements, failure &cause) {
    static_assert(dtype_of<T>() != dtype::none, "no element type of Apus");
    const dtype wanted = input_info(index).type;
    if (wanted != dtype::none && wanted != dtype_of<T>()) {
      std::string message = "the input is ";
      message += to_string(wanted);
      message += " and was given as ";
      message += to_string(dtype_of<T>());
      detail::fail(status::invalid_type, message, cause);
      return false;
    }
    apus_error raw;
    return detail::report(apus_session_bind_input(handle_, index, elements.data(),
                                                  elements.size_bytes(), &raw),
                          raw, cause);
  }
  /// Reads the input from the arena again.
  void unbind(std::size_t index) noexcept {
    apus_session_bind_input(handle_, index, nullptr, 0, nullptr);
  }

  /// Computes the outputs and carries the states one run further; fails for an empty session only.
  bool run(failure &cause) {
    apus_error raw;
    return detail::report(apus_session_run(handle_, &raw), raw, cause);
  }

  /// Puts every state back to its initial value.
  void reset() noexcept { apus_session_reset(handle_); }

  memory_info memory() const noexcept {
    apus_memory_info raw = APUS_MEMORY_INFO_INIT;
    apus_session_memory_info(handle_, &raw);
    return {raw.arena, raw.arena_lower_bound, raw.states, raw.packed_weights};
  }

#if APUS_HPP_EXCEPTIONS
  template <class T>
  void bind(std::size_t index, span<const T> elements) {
    failure cause;
    if (!bind(index, elements, cause)) throw error(cause);
  }
  void run() {
    failure cause;
    if (!run(cause)) throw error(cause);
  }
#endif

 private:
  friend class model;
  explicit session(apus_session *handle) noexcept : handle_(handle) {}

  template <class Query>
  tensor_info info(Query query, std::size_t index) const noexcept {
    apus_tensor_info raw{};
    raw.struct_size = sizeof raw;
    if (query(handle_, index, &raw, nullptr) != APUS_OK) return {};
    return {raw.name, static_cast<dtype>(raw.dtype), apus::shape(raw.dims, raw.rank), raw.scale,
            raw.zero_point};
  }

  apus_session *handle_ = nullptr;
};

// ---- Models -------------------------------------------------------------------------------------

struct model_options {
  /// The kernel module: "baseline", "avx2", "avx512", "avx512vnni". nullptr: the environment
  /// variable APUS_ISA, or the best that this processor runs.
  const char *isa = nullptr;
  /// Do not compute the checksum of the weights.
  bool skip_weight_checksum = false;
};

/// A model: a file, mapped and checked. Immutable; any number of threads and sessions may share it.
class model {
 public:
  /// Empty: no model.
  model() noexcept = default;
  model(model &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  model &operator=(model &&other) noexcept {
    if (this != &other) {
      apus_model_close(handle_);
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  model(const model &) = delete;
  model &operator=(const model &) = delete;
  ~model() { apus_model_close(handle_); }

  /// Opens the file at a path, which is mapped and must not be changed while the model is there.
  static model open(const char *path, const model_options &options, failure &cause) {
    const apus_model_options raw = c_options(options);
    apus_model *handle = nullptr;
    apus_error problem;
    detail::report(apus_model_open(path, &raw, &handle, &problem), problem, cause);
    return model(handle);
  }
  static model open(const std::string &path, const model_options &options, failure &cause) {
    return open(path.c_str(), options, cause);
  }

  /// Opens a model from bytes that stay the caller's and must outlive the model and its sessions.
  static model open_memory(const void *bytes, std::size_t size, const model_options &options,
                           failure &cause) {
    const apus_model_options raw = c_options(options);
    apus_model *handle = nullptr;
    apus_error problem;
    detail::report(apus_model_open_memory(bytes, size, &raw, &handle, &problem), problem, cause);
    return model(handle);
  }

  explicit operator bool() const noexcept { return handle_ != nullptr; }
  /// The C handle, still owned by this object.
  apus_model *get() const noexcept { return handle_; }

  std::size_t function_count() const noexcept { return apus_model_function_count(handle_); }
  /// Empty where there is no such function.
  std::string_view function_name(std::size_t index) const noexcept {
    return view(apus_model_function_name(handle_, index));
  }

  /// Inputs and outputs of the function that runs by default; -1 stands for a free dimension. An
  /// empty name where there is no such tensor.
  std::size_t input_count() const noexcept { return apus_model_input_count(handle_); }
  std::size_t output_count() const noexcept { return apus_model_output_count(handle_); }
  tensor_info input_info(std::size_t index) const noexcept {
    return info(apus_model_input_info, index);
  }
  tensor_info output_info(std::size_t index) const noexcept {
    return info(apus_model_output_info, index);
  }

  /// The value of a metadata entry.
  std::optional<std::string_view> metadata(const char *key) const noexcept {
    const char *value = apus_model_metadata(handle_, key);
    return value ? std::optional<std::string_view>(value) : std::nullopt;
  }

  /// The kernel module that the model was opened for.
  std::string_view isa() const noexcept { return view(apus_model_isa(handle_)); }

  /// Whether sessions may have the precision.
  bool has_precision(precision wanted) const noexcept {
    return apus_model_has_precision(handle_, static_cast<apus_precision>(wanted)) != 0;
  }

  /// The exact size of the arena that a session with these options needs; 0 where it fails.
  std::size_t arena_size(const session_options &options, failure &cause) const {
    return options.with_c_options([&](const apus_session_options *raw) {
      std::size_t bytes = 0;
      apus_error problem;
      detail::report(apus_session_arena_size(handle_, raw, &bytes, &problem), problem, cause);
      return bytes;
    });
  }

  /// Plans a function and makes a session that runs it. Whatever could go wrong in a run is found
  /// here.
  session create_session(const session_options &options, failure &cause) const {
    return options.with_c_options([&](const apus_session_options *raw) {
      apus_session *made = nullptr;
      apus_error problem;
      detail::report(apus_session_create(handle_, raw, &made, &problem), problem, cause);
      return session(made);
    });
  }

#if APUS_HPP_EXCEPTIONS
  static model open(const char *path, const model_options &options = {}) {
    failure cause;
    model made = open(path, options, cause);
    if (cause) throw error(cause);
    return made;
  }
  static model open(const std::string &path, const model_options &options = {}) {
    return open(path.c_str(), options);
  }
  static model open_memory(const void *bytes, std::size_t size,
                           const model_options &options = {}) {
    failure cause;
    model made = open_memory(bytes, size, options, cause);
    if (cause) throw error(cause);
    return made;
  }
  std::size_t arena_size(const session_options &options = {}) const {
    failure cause;
    const std::size_t bytes = arena_size(options, cause);
    if (cause) throw error(cause);
    return bytes;
  }
  session create_session(const session_options &options = {}) const {
    failure cause;
    session made = create_session(options, cause);
    if (cause) throw error(cause);
    return made;
  }
#endif

 private:
  explicit model(apus_model *handle) noexcept : handle_(handle) {}

  static apus_model_options c_options(const model_options &options) noexcept {
    apus_model_options raw = APUS_MODEL_OPTIONS_INIT;
    raw.isa = options.isa;
    raw.skip_weight_checksum = options.skip_weight_checksum ? 1 : 0;
    return raw;
  }

  static std::string_view view(const char *text) noexcept {
    return text ? std::string_view(text) : std::string_view();
  }

  template <class Query>
  tensor_info info(Query query, std::size_t index) const noexcept {
    apus_tensor_info raw{};
    raw.struct_size = sizeof raw;
    if (query(handle_, index, &raw, nullptr) != APUS_OK) return {};
    return {raw.name, static_cast<dtype>(raw.dtype), apus::shape(raw.dims, raw.rank), raw.scale,
            raw.zero_point};
  }

  apus_model *handle_ = nullptr;
};

// ---- Library ------------------------------------------------------------------------------------

/// The library's version as text.
inline std::string_view version() noexcept { return apus_version(); }

/// What the library is and what it reads.
inline apus_build_info build_info() noexcept {
  apus_build_info info = APUS_BUILD_INFO_INIT;
  apus_get_build_info(&info);
  return info;
}

}  // namespace apus

template <>
struct std::is_error_code_enum<apus::status> : std::true_type {};

#endif  // APUS_HPP
