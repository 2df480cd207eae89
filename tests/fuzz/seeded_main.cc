// Runs a libFuzzer target without libFuzzer: inputs that its target calls plausible, changed at random from one seed.
//
//   frame_fuzz ROUNDS SEED
//
// The seed is printed, so that what was found is found again.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/plausible.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void Change(std::mt19937_64* random, std::string* input) {
  const auto below = [random](size_t n) { return static_cast<size_t>((*random)() % n); };
  if (input->empty()) input->push_back('\0');
  switch (below(5)) {
    case 0: (*input)[below(input->size())] = static_cast<char>((*random)()); break;
    case 1: (*input)[below(input->size())] ^= static_cast<char>(1 << below(8)); break;
    case 2: input->erase(below(input->size()), 1 + below(8)); break;
    case 3: input->insert(below(input->size()), 1 + below(8), static_cast<char>((*random)())); break;
    case 4: input->insert(below(input->size()), input->substr(below(input->size()), 1 + below(64))); break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20'000;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device()();
  std::cout << rounds << " rounds, seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  const std::vector<std::string> plausible = PlausibleInputs();
  for (int round = 0; round < rounds; ++round) {
    std::string input = plausible[random() % plausible.size()];
    for (uint64_t change = random() % 8; change > 0; --change) Change(&random, &input);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
}
