#include "server/scheduler/slots.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "server/task/capacity.h"

namespace gild {

void Slots::Enter(Slot* slot, bool narrows) {
  ++slot->on_threads;
  slot->narrowed = narrows;
  CountOnSeat(*slot, 1);
}

void Slots::Leave(Slot* slot, bool from_loop) {
  --(from_loop ? slot->on_loop : slot->on_threads);
  CountOnSeat(*slot, -1);
}

Slots::Iterator Slots::Free(const Task& task, const Principal* principal, const Principals& principals, double run_ns,
                            const Kept& kept) {
  const SlotKind kind = SlotKind::Of(task);
  const auto takes = [&](const Slot& slot) {
    return slot.Takes(kind, principal) && std::find(kept.begin(), kept.end(), &slot) == kept.end();
  };
  auto best = end();
  for (auto slot = begin(); slot != end(); ++slot) {
    // Among idle slots the one with fewer sessions, since they stay, and of these its own.
    const auto load = [](const Slot& s) { return std::make_tuple(s.InFlight(), s.sessions, s.principal == nullptr); };
    if (!takes(slot->second) || !slot->second.HasRoom() || SeatTaken(slot->second)) continue;
    if (best == end() || load(slot->second) < load(best->second)) best = slot;
  }
  if (best != end() || task.limits.OfSlot() || task.Large()) return best;
  // Nor where one of the seat's slots is kept: that is waited for until nothing is in flight on the seat.
  const auto seat_kept = [&kept](const Slot& slot) {
    return slot.seat >= 0 &&
           std::any_of(kept.begin(), kept.end(), [&slot](const Slot* other) { return other->seat == slot.seat; });
  };

  for (auto slot = begin(); slot != end(); ++slot) {
    const int ahead = slot->second.on_threads - slot->second.capacity.threads;
    if (!takes(slot->second) || ahead < 0 || slot->second.stuck || ahead >= AheadMax(slot->second, run_ns)) continue;
    if (slot->second.narrowed || seat_kept(slot->second) || SeatWanted(slot->second, principals)) continue;
    if (best == end() || slot->second.on_threads < best->second.on_threads) best = slot;
  }
  return best;
}

Slots::Iterator Slots::ToClaim(SlotKind kind, const Principal& principal, const Principals& principals) {
  if (kind.fresh || principals.size() == 1) return end();

  // Who has how many slots of the kind, and who has tasks for it.
  std::map<const Principal*, int> slots_of;
  std::set<const Principal*> active;
  int slots = 0;
  size_t coming = 0;  // its own, on their way: for one task each at least
  for (const auto& [name, other] : principals) {
    if (!other.waiting[kind.index()].empty()) active.insert(&other);
  }
  for (const auto& [number, slot] : slots_) {
    if (slot.kind != kind) continue;
    ++slots;
    if (slot.principal == nullptr) continue;
    ++slots_of[slot.principal];
    if (slot.principal == &principal && slot.capacity.threads == 0) ++coming;
    if (slot.InFlight() > 0 || !slot.waiting.empty()) active.insert(slot.principal);
  }
  const int fair_share = std::max(1, slots / static_cast<int>(active.size()));
  const int has = slots_of[&principal];
  if (has >= fair_share || coming >= principal.waiting[kind.index()].size()) return end();

  auto best = end();
  const auto order = [this](const Slot& slot) {
    return std::make_tuple(!slot.HasRoom() || !Idle(slot), slot.InFlight(), slot.idle_since_ns);
  };
  for (auto slot = begin(); slot != end(); ++slot) {
    const Slot& s = slot->second;
    if (s.kind != kind || s.principal == nullptr || s.principal == &principal || s.capacity.threads == 0) continue;
    if (s.changing_hands) continue;
    if (has > 0 && active.count(s.principal) != 0 && slots_of[s.principal] <= fair_share) continue;
    if (best == end() || order(s) < order(best->second)) best = slot;
  }
  return best;
}

int Slots::Ahead() const {
  int ahead = 0;
  for (const auto& [number, slot] : slots_) {
    if (slot.capacity.ahead > 0) ahead += std::max(0, slot.on_threads - slot.capacity.threads);
  }
  return ahead;
}

int Slots::Threads() const {
  int threads = 0;
  for (const auto& [number, slot] : slots_) {
    if (slot.kind == SlotKind{}) threads += slot.capacity.threads;
  }
  return threads;
}

bool Slots::SeatTaken(const Slot& slot) const {
  if (slot.seat < 0 || slot.InFlight() > 0) return false;
  const auto tasks = on_seat_.find(slot.seat);
  return tasks != on_seat_.end() && tasks->second > 0;
}

bool Slots::SeatWanted(const Slot& slot, const Principals& principals) const {
  if (slot.seat < 0) return false;
  const auto waits_for = [&principals](const Slot& other) {
    return std::any_of(principals.begin(), principals.end(), [&other](const auto& principal) {
      return other.Takes(other.kind, &principal.second) && !principal.second.waiting[other.kind.index()].empty();
    });
  };
  return std::any_of(slots_.begin(), slots_.end(), [&](const auto& entry) {
    const Slot& other = entry.second;
    return other.seat == slot.seat && other.kind != slot.kind && other.HasRoom() && waits_for(other);
  });
}

int Slots::AheadMax(const Slot& slot, double run_ns) {
  if (run_ns <= 0) return 0;
  return static_cast<int>(std::min<double>(slot.capacity.ahead, kAheadNs / run_ns));
}

void Slots::CountOnSeat(const Slot& slot, int tasks) {
  if (slot.seat >= 0) on_seat_[slot.seat] += tasks;
}

}  // namespace gild
