// The ledger's hooks called directly, in the order and under the rules in which CPython calls them.
#include "server/meter/ledger.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "server/base/clock.h"

namespace gild {
namespace {

struct Books {
  Ledger ledger;
  PageHeader page{};
  Row row_a{};
  Row row_b{};
  ThreadLedger a;
  ThreadLedger b;

  Books() {
    ledger.Attach(&page, true);
    ledger.Enter(&a, &row_a, 1, 0);
    ledger.Enter(&b, &row_b, 2, 0);
  }
};

TEST(LedgerTest, AnUncontendedTakeCostsNoWait) {
  Books books;
  books.ledger.OnTake(&books.a, 100);
  EXPECT_EQ(books.page.holder_serial, 1u);
  EXPECT_EQ(books.page.holder_since_ns, 100);
  books.ledger.OnRelease(&books.a, 130);
  EXPECT_EQ(books.row_a.lock.hold_ns, 30);
  EXPECT_EQ(books.row_a.lock.wait_ns, 0);
  EXPECT_EQ(books.row_a.lock.takes, 1u);
  EXPECT_EQ(books.row_a.lock.contended_takes, 0u);
  EXPECT_EQ(books.row_a.lock.longest_hold_ns, 30);
  EXPECT_EQ(books.page.holder_since_ns, 0);
  EXPECT_EQ(books.page.lock.hold_ns, 30);
}

TEST(LedgerTest, AThreadKnowsWhatItHasHeldInAll) {
  Books books;
  books.ledger.OnTake(&books.a, 100);
  books.ledger.OnRelease(&books.a, 130);
  EXPECT_EQ(books.a.HeldNs(150), 30);
  books.ledger.OnTake(&books.a, 160);
  books.ledger.Enter(&books.a, &books.row_b, 2, 165);
  EXPECT_EQ(books.a.HeldNs(170), 40);
  EXPECT_EQ(books.b.HeldNs(170), 0);
}

TEST(LedgerTest, WaitsOfATasksThreadsDoNotHideEachOther) {
  Books books;
  ThreadLedger third;
  books.ledger.Enter(&third, &books.row_b, 2, 0);
  books.ledger.OnTake(&books.a, 100);
  books.ledger.OnWant(&books.b, 110);
  books.ledger.OnWant(&third, 120);
  EXPECT_EQ(books.row_b.waiting_since_ns, 110);
  books.ledger.OnRelease(&books.a, 130);
  books.ledger.OnTake(&books.b, 130);
  EXPECT_EQ(books.row_b.waiting_since_ns, 130) << "the other one still waits";
  books.ledger.OnRelease(&books.b, 140);
  books.ledger.OnTake(&third, 140);
  EXPECT_EQ(books.row_b.waiting_since_ns, 0);
  EXPECT_EQ(books.row_b.lock.wait_ns, 20 + 20);
}

TEST(LedgerTest, OneThatWaitsWhileItsTaskEndsLeavesNoTrace) {
  Books books;
  ThreadLedger left_behind;
  books.ledger.Enter(&left_behind, &books.row_a, 1, 0);
  books.ledger.OnTake(&books.a, 100);
  books.ledger.OnWant(&left_behind, 110);
  books.ledger.Leave(&left_behind, 120);
  books.ledger.Leave(&books.a, 120);
  EXPECT_EQ(books.row_a.waiting_since_ns, 0);
  EXPECT_EQ(books.row_a.waiting_threads, 0);
  books.ledger.OnRelease(&books.a, 130);
  books.ledger.OnTake(&left_behind, 130);
  EXPECT_EQ(books.row_a.waiting_threads, 0);
  EXPECT_EQ(books.row_a.lock.takes, 1u);
  EXPECT_EQ(books.page.waiters, 0);
}

TEST(LedgerTest, OneWaitOfManyTimedWaitsIsCountedOnce) {
  Books books;
  books.ledger.OnTake(&books.a, 100);
  books.ledger.OnWant(&books.b, 110);
  EXPECT_EQ(books.page.waiters, 1);
  EXPECT_EQ(books.row_b.waiting_since_ns, 110);
  books.ledger.OnWant(&books.b, 120);
  EXPECT_EQ(books.page.waiters, 1);
  books.ledger.OnRelease(&books.a, 150);
  books.ledger.OnTake(&books.b, 155);
  EXPECT_EQ(books.row_b.lock.wait_ns, 45);
  EXPECT_EQ(books.row_b.lock.contended_takes, 1u);
  EXPECT_EQ(books.row_b.waiting_since_ns, 0);
  EXPECT_EQ(books.page.waiters, 0);
  EXPECT_EQ(books.page.holder_serial, 2u);
}

TEST(LedgerTest, AfterAForcedReleaseTheWaitBeginsWithTheRelease) {
  Books books;
  books.ledger.OnTake(&books.a, 100);
  books.ledger.OnRelease(&books.a, 200);
  books.ledger.OnForcedRelease(&books.a);
  books.ledger.OnWant(&books.a, 210);
  books.ledger.OnTake(&books.a, 300);
  EXPECT_EQ(books.row_a.lock.forced_releases, 1u);
  EXPECT_EQ(books.row_a.lock.wait_ns, 100);
  books.ledger.OnRelease(&books.a, 301);
  books.ledger.OnTake(&books.a, 302);
  EXPECT_EQ(books.row_a.lock.forced_releases, 1u);
}

TEST(LedgerTest, LeavingClosesTheHoldInTheTasksBooks) {
  Books books;
  books.ledger.OnTake(&books.a, 100);
  books.ledger.Leave(&books.a, 140);
  EXPECT_EQ(books.row_a.lock.hold_ns, 40);
  EXPECT_EQ(books.page.holder_serial, 0u);
  EXPECT_EQ(books.page.holder_since_ns, 140);
  books.ledger.OnRelease(&books.a, 150);
  EXPECT_EQ(books.row_a.lock.hold_ns, 40);
  EXPECT_EQ(books.page.lock.hold_ns, 50);
}

TEST(LedgerTest, AThreadOfNoTaskCountsForTheInterpreterAlone) {
  Books books;
  ThreadLedger stranger;
  books.ledger.OnTake(&stranger, 10);
  books.ledger.OnRelease(&stranger, 30);
  EXPECT_EQ(books.page.lock.hold_ns, 20);
  EXPECT_EQ(books.row_a.lock.hold_ns + books.row_b.lock.hold_ns, 0);
}

TEST(LedgerTest, AReleaseFromBeforeCalibrationIsIgnored) {
  Books books;
  books.ledger.OnRelease(&books.a, 500);
  EXPECT_EQ(books.page.lock.hold_ns, 0);
}

TEST(LedgerTest, AfterDetachTheParentsPageIsLeftAlone) {
  Books books;
  books.ledger.Detach();
  ThreadLedger forked;
  books.ledger.OnTake(&forked, 1);
  books.ledger.OnRelease(&forked, 9);
  EXPECT_EQ(books.page.lock.takes, 0u);
}

// Real threads around a real mutex, as CPython's own lock is: what one thread gains, all lose; a reader may look on.
TEST(LedgerTest, SumsAreConservedAcrossThreads) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 2000;
  Ledger ledger;
  PageHeader page{};
  ledger.Attach(&page, true);
  std::vector<Row> rows(kThreads);
  std::mutex gil;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    int64_t last = 0;
    while (!done) {
      const int64_t held = page.lock.hold_ns.load(std::memory_order_relaxed);
      EXPECT_GE(held, last);
      last = held;
    }
  });
  std::vector<std::thread> threads;
  // Held after its task had left: of no task, and in the interpreter's sum all the same.
  std::vector<int64_t> held_after(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      ThreadLedger books;
      ledger.Enter(&books, &rows[i], i + 1, NowNs());
      for (int round = 0; round < kRounds; ++round) {
        if (!gil.try_lock()) {
          ledger.OnWant(&books, NowNs());
          gil.lock();
        }
        ledger.OnTake(&books, NowNs());
        int64_t left_ns = 0;
        if (round == kRounds - 1) ledger.Leave(&books, left_ns = NowNs());
        const int64_t release_ns = NowNs();
        ledger.OnRelease(&books, release_ns);
        if (left_ns != 0) held_after[i] = release_ns - left_ns;
        gil.unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  reader.join();

  uint64_t takes = 0, contended = 0;
  int64_t wait = 0;
  int64_t hold = std::accumulate(held_after.begin(), held_after.end(), int64_t{0});
  for (const Row& row : rows) {
    takes += row.lock.takes;
    contended += row.lock.contended_takes;
    wait += row.lock.wait_ns;
    hold += row.lock.hold_ns;
  }
  EXPECT_EQ(takes, uint64_t{kThreads} * kRounds);
  EXPECT_EQ(page.lock.takes, takes);
  EXPECT_EQ(page.lock.contended_takes, contended);
  EXPECT_EQ(page.lock.wait_ns, wait);
  EXPECT_EQ(page.lock.hold_ns, hold);
  EXPECT_EQ(page.waiters, 0);
  EXPECT_EQ(page.holder_since_ns, 0);
}

}  // namespace
}  // namespace gild
