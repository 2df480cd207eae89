// The function ledger: how long each function of one thread has held the lock, by its calls and returns.
//
// Pure book-keeping, as the ledger (ledger.h): no CPython and no clock in it. Whoever sees the calls says how long the
// thread has held the lock so far; the difference to the last time is charged to the function that was running. So the
// sums are exact, without what a function called and without what was off the lock, and together they are what the
// thread held.
//
// Thread rule: one thread. Allocates when it is made and never after: a task may have used up its memory.
//
//   FunctionLedger ledger(held_ns);
//   size_t place = ledger.Find(code);
//   if (place == FunctionLedger::kNowhere) place = ledger.Add(code);
//   ledger.Call(place, held_ns);
//   ledger.Return(code, held_ns);
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gild {

class FunctionLedger {
 public:
  // Places that are always there: outside every call, and what found no place of its own.
  static constexpr size_t kOutside = 0;
  static constexpr size_t kOther = 1;
  static constexpr size_t kNowhere = SIZE_MAX;

  struct Function {
    const void* key = nullptr;
    int64_t hold_ns = 0;
    uint64_t calls = 0;
  };

  explicit FunctionLedger(int64_t held_ns);

  // Of the function with this key, which is never looked into; kNowhere: not added yet.
  size_t Find(const void* key) const;
  // A new one's place; kOther when there are as many as may be. REQUIRES: Find says kNowhere.
  size_t Add(const void* key);
  // Calls with this key belong to a place that is there already. REQUIRES: Find says kNowhere.
  void AddAlias(const void* key, size_t place);

  // The function is called. REQUIRES: `place` came from Find or Add.
  void Call(size_t place, int64_t held_ns);
  // It returns, or is left by an exception. One whose call was not seen is no harm, nor one whose return was not.
  void Return(const void* key, int64_t held_ns);
  // Charges what is left to the function that is running.
  void Close(int64_t held_ns);

  // By place.
  const std::vector<Function>& functions() const { return functions_; }

 private:
  // The slot of this key, or the empty one where it would be.
  size_t SlotOf(const void* key) const;
  size_t Running() const;

  std::vector<Function> functions_;
  std::vector<const void*> keys_;  // a hash table with open addressing, at most half full
  std::vector<uint16_t> places_;   // of the key in the same slot
  size_t keys_used_ = 0;
  std::vector<uint16_t> stack_;  // places; calls deeper than it may grow are only counted
  size_t depth_ = 0;
  int64_t charged_ns_;
};

}  // namespace gild
