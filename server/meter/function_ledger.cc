#include "server/meter/function_ledger.h"

#include <limits>

#include "server/base/errors.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

constexpr size_t kSlots = 2 * kProfiledFunctionsMax;
static_assert((kSlots & (kSlots - 1)) == 0, "a mask finds the slot");
static_assert(kProfiledFunctionsMax + 2 <= std::numeric_limits<uint16_t>::max());

}  // namespace

FunctionLedger::FunctionLedger(int64_t held_ns)
    : functions_(2), keys_(kSlots), places_(kSlots), stack_(kProfiledDepthMax), charged_ns_(held_ns) {
  functions_.reserve(2 + kProfiledFunctionsMax);
}

size_t FunctionLedger::SlotOf(const void* key) const {
  // Addresses differ in their middle; the multiplication brings that to the top.
  size_t slot = (reinterpret_cast<uintptr_t>(key) * 0x9E3779B97F4A7C15u) >> 40 & (kSlots - 1);
  while (keys_[slot] != nullptr && keys_[slot] != key) slot = (slot + 1) & (kSlots - 1);
  return slot;
}

size_t FunctionLedger::Find(const void* key) const {
  const size_t slot = SlotOf(key);
  return keys_[slot] == nullptr ? kNowhere : places_[slot];
}

size_t FunctionLedger::Add(const void* key) {
  if (keys_used_ == kProfiledFunctionsMax) return kOther;
  functions_.push_back({.key = key});
  AddAlias(key, functions_.size() - 1);
  return functions_.size() - 1;
}

void FunctionLedger::AddAlias(const void* key, size_t place) {
  if (keys_used_ == kProfiledFunctionsMax) return;
  ++keys_used_;
  const size_t slot = SlotOf(key);
  GILD_CHECK(keys_[slot] == nullptr);
  keys_[slot] = key;
  places_[slot] = static_cast<uint16_t>(place);
}

size_t FunctionLedger::Running() const {
  if (depth_ == 0) return kOutside;
  return depth_ > stack_.size() ? kOther : stack_[depth_ - 1];
}

void FunctionLedger::Close(int64_t held_ns) {
  functions_[Running()].hold_ns += held_ns - charged_ns_;
  charged_ns_ = held_ns;
}

void FunctionLedger::Call(size_t place, int64_t held_ns) {
  Close(held_ns);
  ++functions_[place].calls;
  if (depth_ < stack_.size()) stack_[depth_] = static_cast<uint16_t>(place);
  ++depth_;
}

void FunctionLedger::Return(const void* key, int64_t held_ns) {
  Close(held_ns);
  if (depth_ == 0) return;
  if (depth_ > stack_.size() || functions_[stack_[depth_ - 1]].key == key) {
    --depth_;
    return;
  }
  // It stands for several keys, or calls and returns do not match: some ways into a generator and out of a thread of
  // its own (greenlets) are not seen. The latest call that it may belong to, then, or none.
  const size_t place = Find(key) == kNowhere ? kOther : Find(key);
  for (size_t depth = depth_; depth > 0; --depth) {
    if (stack_[depth - 1] != place) continue;
    depth_ = depth - 1;
    return;
  }
}

}  // namespace gild
