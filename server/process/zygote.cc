#include "server/process/zygote.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/errors.h"
#include "server/base/log.h"
#include "server/process/orphans.h"
#include "server/sandbox/layer.h"

namespace gild {
namespace {

// An init whose conversation is closed ends by itself; after this it is killed.
constexpr int64_t kAbandonedNs = 2 * kNsPerSecond;
constexpr int64_t kReapOrphansNs = 2 * kNsPerSecond;

// poll(2) on one descriptor until a moment; false when it passed.
bool AwaitReadable(int fd, int64_t until_ns) {
  while (true) {
    const int64_t left_ns = std::max<int64_t>(0, until_ns - NowNs());
    const timespec left = {.tv_sec = left_ns / kNsPerSecond, .tv_nsec = left_ns % kNsPerSecond};
    pollfd watched{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ppoll(&watched, 1, &left, nullptr);
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return true;  // reading will tell
  }
}

// The zygote's first frame.
absl::StatusOr<internal::ZygoteReady> AwaitReady(int conversation, int64_t until_ns) {
  FrameReader reader;
  std::array<char, 4096> bytes;
  while (true) {
    absl::string_view payload;
    absl::StatusOr<bool> complete = reader.Next(&payload);
    if (!complete.ok()) return complete.status();
    if (*complete) {
      internal::FromZygote frame;
      if (!ParseFromChild(payload, &frame).ok() || !frame.has_ready()) {
        return absl::InternalError("the zygote's first frame is not ZygoteReady");
      }
      return std::move(*frame.mutable_ready());
    }
    if (!AwaitReadable(conversation, until_ns)) {
      return absl::DeadlineExceededError("the zygote did not report ready in time");
    }
    const ssize_t count = recv(conversation, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return ErrnoStatus(errno, "hear from the zygote");
    if (count == 0) return absl::UnavailableError("the zygote ended before it was ready");
    reader.Append(absl::string_view(bytes.data(), count));
  }
}

void AddOnce(const std::string& layer, std::vector<std::string>* layers) {
  if (std::find(layers->begin(), layers->end(), layer) == layers->end()) layers->push_back(layer);
}

// What one of several lacks, they lack together.
void Add(const internal::Isolation& one, IsolationSnapshot* all) {
  for (const internal::MissingLayer& layer : one.missing()) all->missing.emplace(layer.layer(), layer.why());
  for (const std::string& layer : one.in_force()) AddOnce(layer, &all->in_force);
  std::erase_if(all->in_force, [all](const std::string& layer) { return all->missing.contains(layer); });
}

void KillAndReap(const SpawnedProcess& process) {
  kill(process.pid, SIGKILL);
  waitpid(process.pid, nullptr, 0);
}

}  // namespace

// One slot's conversation with its init. Shared between the slot's owner and the zygote's dispatch.
struct Zygote::SlotConversation {
  uint32_t number = 0;
  std::string name;
  std::shared_ptr<Channel> channel;
  SlotProcess::Events events;
  std::function<void(const std::string&)> on_group_missed;
  std::function<absl::Status(pid_t init, const internal::Isolation&)> on_entered;
  bool gone = false;  // reported, or nobody wants to hear it any more

  void OnFrame(absl::string_view payload) {
    if (gone) return;
    internal::FromInit frame;
    if (!ParseFromChild(payload, &frame).ok()) {
      return Gone(absl::InternalError("a slot's init sent a frame that does not parse"));
    }
    switch (frame.kind_case()) {
      case internal::FromInit::kReady:
        if (!frame.ready().error().empty()) return Gone(absl::InternalError(frame.ready().error()));
        if (absl::Status enough = on_entered(channel->last_sender_pid(), frame.ready().isolation()); !enough.ok()) {
          return Gone(std::move(enough));
        }
        if (!frame.ready().group_error().empty() && on_group_missed) on_group_missed(frame.ready().group_error());
        return events.on_ready();
      case internal::FromInit::kStarted:
        return events.on_started(frame.started().generation(), frame.started().error_number());
      case internal::FromInit::kEnded:
        return events.on_ended({.generation = frame.ended().generation(),
                                .wait_status = frame.ended().wait_status(),
                                .user_cpu_ns = frame.ended().user_cpu_ns(),
                                .system_cpu_ns = frame.ended().system_cpu_ns(),
                                .peak_memory_bytes = frame.ended().peak_memory_bytes()});
      case internal::FromInit::kDenied:
        return events.on_denied({frame.denied().calls().begin(), frame.denied().calls().end()});
      case internal::FromInit::KIND_NOT_SET: return;
    }
  }

  void Gone(absl::Status reason) {
    if (gone) return;
    gone = true;
    channel->Close();
    events.on_gone(std::move(reason));
  }
};

class Zygote::Slot : public SlotProcess {
 public:
  Slot(Zygote* zygote, std::shared_ptr<SlotConversation> conversation)
      : zygote_(zygote), conversation_(std::move(conversation)) {}

  ~Slot() override {
    conversation_->gone = true;
    conversation_->channel->Close();
    zygote_->Abandon(conversation_->number);
  }

  void StartInterpreter(uint64_t generation, bool alone, UniqueFd channel_end, UniqueFd page) override {
    internal::ToInit frame;
    frame.mutable_start()->set_generation(generation);
    frame.mutable_start()->set_alone(alone);
    std::vector<UniqueFd> descriptors;
    descriptors.push_back(std::move(channel_end));
    descriptors.push_back(std::move(page));
    (void)conversation_->channel->Send(frame, std::move(descriptors));  // an error ends the conversation: on_gone
  }

  void KillInterpreter(uint64_t generation, int signal) override {
    internal::ToInit frame;
    frame.mutable_kill()->set_generation(generation);
    frame.mutable_kill()->set_signal(signal);
    (void)conversation_->channel->Send(frame);
  }

 private:
  Zygote* const zygote_;
  const std::shared_ptr<SlotConversation> conversation_;
};

absl::StatusOr<std::unique_ptr<Zygote>> Zygote::Start(Poller* poller, Options options) {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return ErrnoStatus(errno, "become a subreaper");
  absl::StatusOr<ChannelEnds> ends = MakeChannelEnds();
  if (!ends.ok()) return ends.status();

  std::vector<std::string> arguments = {"gild-interpreter",
                                        "--zygote-fd",
                                        absl::StrCat(kSpawnedConversationFd),
                                        "--preload",
                                        absl::StrJoin(options.preload, ","),
                                        "--without-layers",
                                        absl::StrJoin(options.without_layers, ",")};
  const bool clean = !IsIn(Layer::kCleanEnvironment, options.without_layers);
  absl::StatusOr<SpawnedProcess> process =
      Spawn(options.program, arguments, clean ? CleanEnvironment() : OwnEnvironment(), std::move(ends->child));
  if (!process.ok()) return process.status();
  auto kill_it = absl::MakeCleanup([&process] { KillAndReap(*process); });

  absl::StatusOr<internal::ZygoteReady> ready = AwaitReady(ends->server.get(), NowNs() + options.ready_limit_ns);
  if (!ready.ok()) return ready.status();
  if (!ready->error().empty()) return absl::FailedPreconditionError(ready->error());
  std::move(kill_it).Cancel();

  Info info{.python_version = ready->python_version(),
            .meter_available = ready->meter_available(),
            .meter_detail = ready->meter_detail(),
            .preloaded = {ready->preloaded().begin(), ready->preloaded().end()},
            .interpreters = ready->isolation()};
  std::unique_ptr<Zygote> zygote(
      new Zygote(poller, std::move(options), *std::move(process), std::move(ends->server), std::move(info)));
  poller->Post([raw = zygote.get()] { raw->Listen(); });
  return zygote;
}

Zygote::Zygote(Poller* poller, Options options, SpawnedProcess process, UniqueFd conversation, Info info)
    : poller_(poller),
      options_(std::move(options)),
      process_(std::move(process)),
      info_(std::move(info)),
      channel_(std::make_shared<Channel>(
          poller, std::move(conversation),
          Channel::Events{.on_frame = [this](absl::string_view payload) { OnFrame(payload); },
                          .on_closed = [this](absl::Status reason) { OnConversationClosed(std::move(reason)); }})) {}

Zygote::~Zygote() { Stop(); }

void Zygote::Listen() {
  channel_->Start();
  poller_->Add(process_.pidfd.get(), EPOLLIN, [this](uint32_t) { OnProcessEnded(); });
  ReapNowAndThen();
}

void Zygote::ReapNowAndThen() {
  ReapOrphans(process_.pid);
  poller_->RunAt(NowNs() + kReapOrphansNs, [this] { ReapNowAndThen(); });
}

std::unique_ptr<SlotProcess> Zygote::MakeSlot(const SlotOrder& order, SlotProcess::Events events) {
  auto conversation = std::make_shared<SlotConversation>();
  conversation->number = ++last_slot_;
  conversation->name = order.name;
  conversation->events = std::move(events);
  conversation->on_group_missed = options_.on_group_missed;
  const SlotFacts facts{conversation->number, order.lane, order.network, order.required};
  conversation->on_entered = [this, facts](pid_t init, const internal::Isolation& isolation) {
    return OnSlotEntered(facts, init, isolation);
  };
  // The conversation owns its channel, so the channel must not own it.
  const std::weak_ptr<SlotConversation> weak = conversation;

  absl::StatusOr<ChannelEnds> ends = MakeChannelEnds();
  conversation->channel = std::make_shared<Channel>(
      poller_, ends.ok() ? std::move(ends->server) : UniqueFd(),
      Channel::Events{.on_frame =
                          [weak](absl::string_view payload) {
                            if (auto self = weak.lock()) self->OnFrame(payload);
                          },
                      .on_closed =
                          [weak](absl::Status reason) {
                            if (auto self = weak.lock()) {
                              self->Gone(reason.ok() ? absl::UnavailableError("the slot's init has ended") : reason);
                            }
                          }});
  absl::Status sent = ends.status();
  if (sent.ok()) {
    conversation->channel->Start();
    {
      absl::MutexLock lock(&mutex_);
      slots_[conversation->number] = conversation;
      // What is made while we stop would never be told to end.
      if (stopping_) conversation->channel->Shutdown();
    }
    internal::ToZygote frame;
    internal::MakeSlot& make = *frame.mutable_make_slot();
    make.set_slot(conversation->number);
    make.set_name(order.name);
    make.set_scratch(order.scratch);
    make.set_core(order.core);
    make.set_nice(order.nice);
    make.set_group(order.group);
    make.set_uid(order.uid);
    make.set_network(order.network);
    make.set_shared(order.lane == LaneKind::kIo);
    make.set_subprocess(order.subprocess);
    make.set_tasks_max(order.tasks_max);
    make.set_growth_bytes_max(order.growth_bytes_max);
    make.set_scratch_bytes(order.scratch_bytes);
    make.set_scratch_inodes(order.scratch_inodes);
    for (const auto& [layer, group] : order.groups) {
      internal::SlotGroup& own = *make.add_groups();
      own.set_layer(Name(layer));
      own.set_folder(group.folder);
      own.set_why_none(group.why_none);
    }
    std::vector<UniqueFd> descriptors;
    descriptors.push_back(std::move(ends->child));
    sent = channel_->Send(frame, std::move(descriptors));
  }
  if (!sent.ok()) {
    poller_->Post([weak, sent] {
      if (auto self = weak.lock()) self->Gone(sent);
    });
  }
  return std::make_unique<Slot>(this, std::move(conversation));
}

std::shared_ptr<Zygote::SlotConversation> Zygote::Find(uint32_t slot) {
  absl::MutexLock lock(&mutex_);
  auto found = slots_.find(slot);
  return found == slots_.end() ? nullptr : found->second.lock();
}

void Zygote::Abandon(uint32_t slot) {
  {
    absl::MutexLock lock(&mutex_);
    slots_.erase(slot);
    if (stopping_) return;  // Stop sees to it, and the poller may have ended
  }
  poller_->RunAt(NowNs() + kAbandonedNs, [this, slot] {
    auto found = made_.find(slot);
    if (found == made_.end() || !found->second.pidfd.valid()) return;
    LogWarning("a slot's init does not end by itself", {{"slot", absl::StrCat(slot)}});
    syscall(SYS_pidfd_send_signal, found->second.pidfd.get(), SIGKILL, nullptr, 0);
  });
}

void Zygote::OnFrame(absl::string_view payload) {
  internal::FromZygote frame;
  if (!ParseFromChild(payload, &frame).ok()) {
    channel_->Close();
    return ReportGone(absl::InternalError("the zygote sent a frame that does not parse"));
  }
  switch (frame.kind_case()) {
    case internal::FromZygote::kSlotFailed:
      if (auto slot = Find(frame.slot_failed().slot())) {
        slot->Gone(ErrnoStatus(frame.slot_failed().error_number(),
                               absl::StrCat("make slot ", slot->name, ": ", frame.slot_failed().step())));
      }
      return;
    case internal::FromZygote::kSlotGone: {
      const auto slot = Find(frame.slot_gone().slot());
      // What it had still to say comes before its end.
      if (slot) slot->channel->ReadAvailable();
      made_.erase(frame.slot_gone().slot());
      // Where there is no pid namespace, an init's interpreter can outlive it.
      KillOrphans(process_.pid);
      if (slot) {
        slot->Gone(absl::UnavailableError(
            absl::StrCat("the slot's init has ended: ", DescribeWaitStatus(frame.slot_gone().wait_status()))));
      }
      return;
    }
    case internal::FromZygote::kReady:
    case internal::FromZygote::KIND_NOT_SET: return;
  }
}

absl::Status Zygote::OnSlotEntered(const SlotFacts& slot, pid_t init, const internal::Isolation& isolation) {
  // It has just written, and it is not reaped before SlotGone: the number is still its own, but for a race that is as
  // good as none.
  if (init > 1) made_[slot.number].pidfd = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, init, 0)));

  IsolationSnapshot own;
  Add(isolation, &own);
  Add(info_.interpreters, &own);
  if (const IsolationLevel given = LevelOf(own.in_force, slot.network); given < slot.required) {
    const std::string lacks = absl::StrJoin(own.missing, "; ", absl::PairFormatter(": "));
    if (options_.on_too_little) options_.on_too_little(given, lacks);
    return absl::FailedPreconditionError(
        absl::StrCat("isolation ", Name(slot.required), " is required, it has ", Name(given), ": ", lacks));
  }
  absl::MutexLock lock(&mutex_);
  // What a lane's first slot lacks is told with the rest of the start.
  const bool first = !isolation_.contains(slot.lane);
  IsolationSnapshot& all = isolation_[slot.lane];
  for (const auto& [layer, why] : own.missing) {
    if (all.missing.emplace(layer, why).second && !first) {
      LogWarning("a layer of isolation is missing", {{"lane", Name(slot.lane)}, {"layer", layer}, {"why", why}});
    }
  }
  for (const std::string& layer : own.in_force) AddOnce(layer, &all.in_force);
  std::erase_if(all.in_force, [&all](const std::string& layer) { return all.missing.contains(layer); });
  return absl::OkStatus();
}

IsolationSnapshot Zygote::isolation(LaneKind lane) const {
  absl::MutexLock lock(&mutex_);
  auto found = isolation_.find(lane);
  return found == isolation_.end() ? IsolationSnapshot() : found->second;
}

void Zygote::OnConversationClosed(absl::Status reason) {
  // Its process ends now, or has ended; one that only closed the conversation is of no use either.
  ReportGone(reason.ok() ? absl::UnavailableError("the zygote has closed the conversation") : reason);
}

void Zygote::OnProcessEnded() {
  if (!ReapZygote()) return;
  poller_->Remove(process_.pidfd.get());
  int wait_status;
  {
    absl::MutexLock lock(&mutex_);
    wait_status = wait_status_;
  }
  ReportGone(absl::UnavailableError(absl::StrCat("the zygote has ended: ", DescribeWaitStatus(wait_status))));
}

void Zygote::ReportGone(absl::Status reason) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_ || gone_reported_) return;
    gone_reported_ = true;
  }
  if (options_.on_gone) options_.on_gone(std::move(reason));
}

bool Zygote::ReapZygote() {
  absl::MutexLock lock(&mutex_);
  if (reaped_) return true;
  if (waitpid(process_.pid, &wait_status_, WNOHANG) != process_.pid) return false;
  reaped_ = true;
  return true;
}

void Zygote::Stop(int64_t limit_ns) {
  std::vector<std::shared_ptr<SlotConversation>> slots;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    stopping_ = true;
    for (const auto& [number, weak] : slots_) {
      if (auto slot = weak.lock()) slots.push_back(std::move(slot));
    }
  }
  for (const auto& slot : slots) slot->channel->Shutdown();
  channel_->Shutdown();

  if (!AwaitReadable(process_.pidfd.get(), NowNs() + limit_ns)) {
    LogWarning("the zygote does not end by itself");
    syscall(SYS_pidfd_send_signal, process_.pidfd.get(), SIGKILL, nullptr, 0);
    AwaitReadable(process_.pidfd.get(), NowNs() + limit_ns);
  }
  ReapZygote();
  // The inits are ours now, and on their way out.
  if (!AwaitNoChildren(limit_ns)) LogError("processes are left that would not die");
}

}  // namespace gild
