// Environment variables and time zone of this very process.
#include "server/interpreter/environment.h"

#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace gild {
namespace {

std::vector<std::string> Variables() {
  std::vector<std::string> found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) found.emplace_back(*entry);
  return found;
}

int HourOfEpoch() {
  const time_t epoch = 0;
  tm local{};
  localtime_r(&epoch, &local);
  return local.tm_hour;
}

class EnvironmentTest : public ::testing::Test {
 protected:
  EnvironmentTest() {
    setenv("TZ", "HERE-1", /*overwrite=*/1);
    setenv("EMPTY", "", /*overwrite=*/1);
    environment_.emplace();
    before_ = Variables();
  }
  void ExpectAsBefore() {
    environment_->PutBack();
    EXPECT_EQ(Variables(), before_);
    EXPECT_EQ(HourOfEpoch(), 1);
  }

  std::optional<Environment> environment_;
  std::vector<std::string> before_;
};

TEST_F(EnvironmentTest, WhatWasSetChangedOrRemovedIsAsItWas) {
  setenv("LEFT", "behind", 1);
  ExpectAsBefore();
  setenv("EMPTY", "full", 1);
  ExpectAsBefore();
  unsetenv("TZ");
  ExpectAsBefore();
}

TEST_F(EnvironmentTest, WhatWasOverwrittenInPlaceIsAsItWas) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string(*entry) == "TZ=HERE-1") (*entry)[3] = 'T';
  }
  ExpectAsBefore();
}

TEST_F(EnvironmentTest, ATableThatIsGoneIsAsItWas) {
  clearenv();
  ExpectAsBefore();
}

TEST_F(EnvironmentTest, ATimeZoneThatWasSetAndRemovedAgainIsAsItWas) {
  setenv("TZ", "LEFT-12:34", 1);
  tzset();
  setenv("TZ", "HERE-1", 1);
  EXPECT_EQ(HourOfEpoch(), 12) << "localtime_r(3) does not look again";
  ExpectAsBefore();
}

}  // namespace
}  // namespace gild
