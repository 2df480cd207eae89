// The function ledger's arithmetic: calls and returns at given times.
#include "server/meter/function_ledger.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/task/capacity.h"

namespace gild {
namespace {

class FunctionLedgerTest : public ::testing::Test {
 protected:
  void Call(const int& key, int64_t held_ns) {
    size_t place = ledger_.Find(&key);
    if (place == FunctionLedger::kNowhere) place = ledger_.Add(&key);
    ledger_.Call(place, held_ns);
  }
  void Return(const int& key, int64_t held_ns) { ledger_.Return(&key, held_ns); }
  FunctionLedger::Function Of(const int& key) { return ledger_.functions()[ledger_.Find(&key)]; }
  int64_t Outside() { return ledger_.functions()[FunctionLedger::kOutside].hold_ns; }
  FunctionLedger::Function Other() { return ledger_.functions()[FunctionLedger::kOther]; }
  int64_t Sum() {
    int64_t sum_ns = 0;
    for (const FunctionLedger::Function& function : ledger_.functions()) sum_ns += function.hold_ns;
    return sum_ns;
  }

  FunctionLedger ledger_{1000};
  const int f_ = 0, g_ = 0, h_ = 0;
};

TEST_F(FunctionLedgerTest, AFunctionIsChargedForItselfAlone) {
  Call(f_, 1010);
  Call(g_, 1015);
  Return(g_, 1045);
  Return(f_, 1060);
  ledger_.Close(1067);
  EXPECT_EQ(Of(f_).hold_ns, 5 + 15);
  EXPECT_EQ(Of(g_).hold_ns, 30);
  EXPECT_EQ(Outside(), 10 + 7);
}

TEST_F(FunctionLedgerTest, RecursionCountsEveryCall) {
  for (int64_t depth = 0; depth < 5; ++depth) Call(f_, 1000 + depth);
  for (int64_t depth = 0; depth < 5; ++depth) Return(f_, 1010 + depth);
  EXPECT_EQ(Of(f_).calls, 5u);
  EXPECT_EQ(Of(f_).hold_ns, 14);
}

TEST_F(FunctionLedgerTest, AnAliasSharesAPlace) {
  ledger_.AddAlias(&g_, FunctionLedger::kOutside);
  Call(f_, 1000);
  Call(g_, 1010);
  Return(g_, 1030);
  Return(f_, 1060);
  EXPECT_EQ(Outside(), 20);
  EXPECT_EQ(Of(f_).hold_ns, 40);
}

TEST_F(FunctionLedgerTest, AReturnWhoseCallWasNotSeenTakesNothingOffTheStack) {
  Call(f_, 1000);
  Return(g_, 1010);
  Return(f_, 1030);
  ledger_.Close(1031);
  EXPECT_EQ(Of(f_).hold_ns, 30);
  EXPECT_EQ(Outside(), 1);
}

TEST_F(FunctionLedgerTest, CallsWhoseReturnsWereNotSeenGoWithTheirCaller) {
  Call(f_, 1000);
  Call(g_, 1010);
  Call(h_, 1020);
  Return(f_, 1050);
  ledger_.Close(1051);
  EXPECT_EQ(Of(f_).hold_ns, 10);
  EXPECT_EQ(Of(h_).hold_ns, 30);
  EXPECT_EQ(Outside(), 1);
}

TEST_F(FunctionLedgerTest, AReturnAtTheEndOfTheStackIsNoHarm) {
  Return(f_, 1010);
  ledger_.Close(1020);
  EXPECT_EQ(Outside(), 20);
}

TEST_F(FunctionLedgerTest, FullTheOthersShareAPlace) {
  const std::vector<int> keys(kProfiledFunctionsMax + 10);
  int64_t held_ns = 1000;
  Call(f_, held_ns);
  for (const int& key : keys) {
    Call(key, held_ns);
    Return(key, ++held_ns);
  }
  ++held_ns;
  Return(f_, held_ns);
  EXPECT_EQ(Other().calls, 11u) << "f_ took the first of the places";
  EXPECT_EQ(Other().hold_ns, 11);
  EXPECT_EQ(Of(f_).hold_ns, 1);
  EXPECT_EQ(Sum(), held_ns - 1000);
}

TEST_F(FunctionLedgerTest, TooDeepTheRestIsOthers) {
  int64_t held_ns = 1000;
  for (size_t depth = 0; depth < kProfiledDepthMax + 3; ++depth) Call(f_, held_ns++);
  for (size_t depth = 0; depth < kProfiledDepthMax + 3; ++depth) Return(f_, held_ns++);
  ledger_.Close(held_ns);
  EXPECT_EQ(Other().hold_ns, 5) << "from the first call too deep to the last return from one";
  EXPECT_EQ(Outside(), 1);
  EXPECT_EQ(Sum(), held_ns - 1000);
}

}  // namespace
}  // namespace gild
