// Recognises ten handwritten digits with a LeNet-5, in C++: all ten in one run.
//
//     c++ -std=c++17 -O2 digits.cpp -lapus -o digits
//     ./digits lenet5.apus digits.csv
//
// digits.csv and what is done to its digits: see digits.c.
#include <apus.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr std::size_t small = 8, large = 32, digits = 10;

struct digit {
  int label = 0;
  std::array<float, small * small> pixels{};
};

std::vector<digit> read_digits(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error(path + " cannot be read");
  std::vector<digit> result;
  while (result.size() < digits) {
    digit next;
    if (!(file >> next.label)) break;
    for (float &pixel : next.pixels) {
      char comma = 0;
      file >> comma >> pixel;
      pixel /= 16;
    }
    result.push_back(next);
  }
  return result;
}

// Where a pixel of the large image lies between two of the small one.
struct position {
  std::size_t first, second;
  float share_of_second;

  explicit position(std::size_t i) {
    const float at = (static_cast<float>(i) + 0.5f) * float{small} / float{large} - 0.5f;
    first = at < 0 ? 0 : static_cast<std::size_t>(at);
    second = std::min(first + 1, small - 1);
    share_of_second = at < 0 ? 0 : at - static_cast<float>(first);
  }
};

// Bilinear enlargement into 32 x 32 pixels.
void enlarge(const digit &from, float *to) {
  for (std::size_t row = 0; row < large; ++row) {
    const position y(row);
    for (std::size_t column = 0; column < large; ++column) {
      const position x(column);
      const auto between = [&](std::size_t line) {
        return from.pixels[line * small + x.first] * (1 - x.share_of_second) +
               from.pixels[line * small + x.second] * x.share_of_second;
      };
      *to++ = between(y.first) * (1 - y.share_of_second) + between(y.second) * y.share_of_second;
    }
  }
}

void recognise(const std::string &model_path, const std::string &digits_path) {
  const std::vector<digit> some = read_digits(digits_path);
  const apus::model model = apus::model::open(model_path);
  const auto count = static_cast<std::int64_t>(some.size());
  apus::session_options options;
  options.input_shape(std::string(model.input_info(0).name), {count, 1, large, large});
  apus::session session = model.create_session(options);

  const auto images = session.input(0).as<float>();
  for (std::size_t i = 0; i < some.size(); ++i)
    enlarge(some[i], images.data() + i * large * large);
  session.run();

  const auto scores = session.output(0).as<const float>();
  const std::size_t classes = scores.size() / some.size();
  for (std::size_t i = 0; i < some.size(); ++i) {
    const float *row = scores.data() + i * classes;
    std::cout << some[i].label << " is recognised as " << std::max_element(row, row + classes) - row
              << '\n';
  }
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::cerr << "usage: digits MODEL.apus DIGITS.csv\n";
    return 2;
  }
  try {
    recognise(argv[1], argv[2]);
  } catch (const std::exception &problem) {
    std::cerr << "digits: " << problem.what() << '\n';
    return 1;
  }
}
