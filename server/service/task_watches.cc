#include "server/service/task_watches.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/errors.h"
#include "server/service/refusals.h"
#include "server/task/capacity.h"

namespace gild {
namespace {

std::optional<InvalidField> ProblemOf(const v1::WatchRequest& request) {
  if (request.task_id().empty()) return InvalidField{"task_id", "is empty"};
  if (request.task_id().size() <= kTaskIdBytesMax) return std::nullopt;
  return InvalidField{"task_id", absl::StrCat("is longer than ", kTaskIdBytesMax, " bytes")};
}

std::string After(const std::string& text, uint64_t from) { return from < text.size() ? text.substr(from) : ""; }

}  // namespace

TaskWatches::TaskWatches(Config config)
    : config_(std::move(config)),
      method_{.wait = config_.wait,
              .arrived = [this](const std::shared_ptr<Call>& call) { return Add(call); },
              .latest = [this](const Call& call, v1::WatchReply* reply) { return LatestOf(call, reply); },
              .written = [this](const std::shared_ptr<Call>& call) { Written(call); },
              .gone = [this](const std::shared_ptr<Call>& call) { Remove(call); },
              .live = config_.live} {}

grpc::Status TaskWatches::Add(const std::shared_ptr<Call>& call) {
  if (const auto invalid = ProblemOf(call->request())) return ToStatus(*invalid);
  absl::MutexLock lock(&mutex_);
  if (watches_.size() >= kTaskWatchesMax) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, absl::StrCat("there are ", kTaskWatchesMax, " watches already")};
  }
  // Before the task is looked for: if it is found, its end sees that somebody watches, and waits for the lock.
  ++watching_;
  const std::optional<uint64_t> serial = config_.scheduler->Find(call->request().task_id());
  if (!serial) {
    --watching_;
    return ToStatus(UnknownTask{call->request().task_id()});
  }
  Watch& watch = watches_[call.get()];
  watch.call = call;
  watch.serial = *serial;
  of_task_.emplace(*serial, &watch);
  if (timer_ == 0) LookLater();
  return grpc::Status::OK;
}

void TaskWatches::Remove(const std::shared_ptr<Call>& call) {
  absl::MutexLock lock(&mutex_);
  const auto found = watches_.find(call.get());
  if (found == watches_.end()) return;  // it was refused
  const auto [first, last] = of_task_.equal_range(found->second.serial);
  of_task_.erase(std::find_if(first, last, [&](const auto& each) { return each.second == &found->second; }));
  watches_.erase(found);
  --watching_;
  if (watches_.empty()) config_.poller->CancelTimer(std::exchange(timer_, 0));
}

void TaskWatches::LookLater() {
  timer_ = config_.poller->RunAt(NowNs() + kLookNs, [this] { Look(); });
}

void TaskWatches::Look() {
  std::vector<std::shared_ptr<Call>> calls;
  {
    absl::MutexLock lock(&mutex_);
    if (watches_.empty()) return;
    for (const auto& [key, watch] : watches_) {
      if (auto call = watch.call.lock()) calls.push_back(std::move(call));
    }
    LookLater();
  }
  for (const auto& call : calls) call->Tell();
}

void TaskWatches::Ended(const Task& task, const Outcome& outcome) {
  if (watching_ == 0) return;
  std::vector<std::shared_ptr<Call>> calls;
  {
    absl::MutexLock lock(&mutex_);
    const auto [first, last] = of_task_.equal_range(task.serial);
    if (first == last) return;
    auto rest = std::make_shared<Rest>();
    rest->begin = first->second->told;
    for (auto each = first; each != last; ++each) {
      rest->begin.out_bytes = std::min(rest->begin.out_bytes, each->second->told.out_bytes);
      rest->begin.err_bytes = std::min(rest->begin.err_bytes, each->second->told.err_bytes);
    }
    rest->out = After(outcome.out, rest->begin.out_bytes);
    rest->err = After(outcome.err, rest->begin.err_bytes);
    rest->progress = outcome.progress;
    rest->bytes_kept = &bytes_kept_;
    const int64_t bytes = static_cast<int64_t>(rest->out.size() + rest->err.size());
    if ((bytes_kept_ += bytes) > kWatchBytesKeptMax) {
      bytes_kept_ -= bytes;
      rest->out.clear();
      rest->err.clear();
      rest->end = {grpc::StatusCode::RESOURCE_EXHAUSTED,
                   "watchers that read too slowly hold too much output of ended tasks; the outcome has all of it"};
    }
    for (auto each = first; each != last; ++each) {
      each->second->rest = rest;
      if (auto call = each->second->call.lock()) calls.push_back(std::move(call));
    }
  }
  for (const auto& call : calls) call->Tell();
}

Glimpse TaskWatches::Rest::Peek(OutputPoint after) const {
  Glimpse glimpse;
  // Rests begin at or before where each watcher is.
  if (after.out_bytes - begin.out_bytes < out.size()) {
    glimpse.out = out.substr(after.out_bytes - begin.out_bytes, kWatchReplyBytesMax);
  }
  if (after.err_bytes - begin.err_bytes < err.size()) {
    glimpse.err = err.substr(after.err_bytes - begin.err_bytes, kWatchReplyBytesMax - glimpse.out.size());
  }
  glimpse.progress = progress;
  return glimpse;
}

Latest TaskWatches::LatestOf(const Call& call, v1::WatchReply* reply) {
  Watch known;
  {
    absl::MutexLock lock(&mutex_);
    known = watches_.at(&call);
  }
  Glimpse glimpse =
      known.rest != nullptr ? known.rest->Peek(known.told) : config_.scheduler->Peek(known.serial, known.told);
  const size_t bytes = glimpse.out.size() + glimpse.err.size();
  reply->Clear();
  Latest latest;
  {
    absl::MutexLock lock(&mutex_);
    Watch& watch = watches_.at(&call);
    watch.told.out_bytes += glimpse.out.size();
    watch.told.err_bytes += glimpse.err.size();
    watch.behind = watch.rest != nullptr || bytes >= kWatchReplyBytesMax;
    if (glimpse.progress && glimpse.progress != watch.progress) {
      watch.progress = glimpse.progress;
      reply->mutable_progress()->set_done(glimpse.progress->done);
      reply->mutable_progress()->set_total(glimpse.progress->total);
    }
  }
  latest.is_new = bytes > 0 || reply->has_progress();
  if (!latest.is_new && known.rest != nullptr) latest.end = known.rest->end;
  reply->set_stdout(std::move(glimpse.out));
  reply->set_stderr(std::move(glimpse.err));
  return latest;
}

void TaskWatches::Written(const std::shared_ptr<Call>& call) {
  {
    absl::MutexLock lock(&mutex_);
    // Else the next look is soon enough.
    const auto found = watches_.find(call.get());
    if (found == watches_.end() || !found->second.behind) return;
  }
  call->Tell();
}

}  // namespace gild
