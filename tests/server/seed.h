// Seed: of a test with a random course. Printed before the course begins, so that one that hangs or crashes has told
// it;
// --gtest_random_seed=N takes the same course again.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <iostream>
#include <random>

namespace gild::testing {

inline uint32_t Seed() {
  const uint32_t given = GTEST_FLAG_GET(random_seed);
  const uint32_t seed = given != 0 ? given : 1 + std::random_device()() % 99999;  // what that flag may be
  std::cout << "again with --gtest_random_seed=" << seed << std::endl;
  return seed;
}

}  // namespace gild::testing
