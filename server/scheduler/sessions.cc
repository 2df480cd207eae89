#include "server/scheduler/sessions.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace gild {

const Sessions::Session* Sessions::Find(const Name& name) const {
  const auto found = sessions_.find(name);
  return found == sessions_.end() ? nullptr : &found->second;
}

bool Sessions::HasRoom() const {
  return sessions_.size() < bounds_.sessions || (!idle_.empty() && going_ < bounds_.sessions);
}

Sessions::Session* Sessions::Begin(const Name& name, int64_t now_ns, std::optional<Forgotten>* forgotten) {
  auto found = sessions_.find(name);
  if (found == sessions_.end()) {
    if (sessions_.size() >= bounds_.sessions) {
      ++forgotten_full_;
      *forgotten = Forget(idle_.front());
    }
    found = sessions_.try_emplace(name).first;
    found->second.name_ = name;
    found->second.number_ = ++last_number_;
  } else if (found->second.active_ == 0) {
    idle_.erase(found->second.idle_);
  }
  Session* const session = &found->second;
  ++session->tasks_;
  ++session->active_;
  session->last_used_ns_ = now_ns;
  return session;
}

bool Sessions::End(Session* session, const std::string& interpreter, int64_t now_ns) {
  session->last_used_ns_ = now_ns;
  if (--session->active_ == 0) session->idle_ = idle_.insert(idle_.end(), session);
  if (interpreter.empty() || interpreter == session->interpreter_) return false;
  return !std::exchange(session->interpreter_, interpreter).empty();
}

std::optional<Sessions::Forgotten> Sessions::ForgetIdle(int64_t now_ns) {
  if (idle_.empty() || now_ns - idle_.front()->last_used_ns_ < bounds_.idle_ns || going_ >= bounds_.sessions) {
    return std::nullopt;
  }
  ++forgotten_idle_;
  return Forget(idle_.front());
}

Sessions::Forgotten Sessions::Forget(Session* session) {
  const Forgotten forgotten{.number = session->number_, .slot = session->slot};
  if (forgotten.slot >= 0) ++going_;
  idle_.erase(session->idle_);
  sessions_.erase(sessions_.find(session->name_));
  return forgotten;
}

void Sessions::LeaveSlot(int slot) {
  for (auto& [name, session] : sessions_) {
    if (session.slot == slot) session.slot = -1;
  }
}

SessionsSnapshot Sessions::Snapshot(int64_t now_ns) const {
  std::vector<const Session*> order;
  order.reserve(sessions_.size());
  for (const auto& [name, session] : sessions_) order.push_back(&session);
  std::sort(order.begin(), order.end(), [](const Session* a, const Session* b) {
    return std::make_tuple(a->active_ > 0, a->last_used_ns_, a->number_) >
           std::make_tuple(b->active_ > 0, b->last_used_ns_, b->number_);
  });
  SessionsSnapshot snapshot{.live = {}, .forgotten_idle = forgotten_idle_, .forgotten_full = forgotten_full_};
  snapshot.live.reserve(order.size());
  for (const Session* session : order) {
    SessionSnapshot& one = snapshot.live.emplace_back();
    one.session = session->name_.second;
    if (session->slot >= 0) one.slot = SlotName(LaneKind::kIo, session->slot);
    one.tasks = session->tasks_;
    one.active = session->active_;
    if (session->active_ == 0) one.idle_ns = std::max<int64_t>(0, now_ns - session->last_used_ns_);
  }
  return snapshot;
}

}  // namespace gild
