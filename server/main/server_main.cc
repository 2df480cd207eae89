// gild-server: puts the floors together, waits for a signal, and takes them apart again in the right order.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "server/base/clock.h"
#include "server/base/cores.h"
#include "server/base/errors.h"
#include "server/base/log.h"
#include "server/base/poller.h"
#include "server/base/unique_fd.h"
#include "server/lane/lane.h"
#include "server/main/doorbell.h"
#include "server/main/options.h"
#include "server/main/runtime_folder.h"
#include "server/main/slot_uids.h"
#include "server/metrics/http_server.h"
#include "server/metrics/metrics.h"
#include "server/process/core_groups.h"
#include "server/process/core_meter.h"
#include "server/process/spawn.h"
#include "server/process/zygote.h"
#include "server/scheduler/scheduler.h"
#include "server/service/health.h"
#include "server/service/rpc_server.h"

namespace gild {
namespace {

// The doors open then, whether all slots are ready or not.
constexpr int64_t kReadyNs = 10 * kNsPerSecond;
// How late a task may expire.
constexpr int64_t kExpiryPeriodNs = 20 * kNsPerMs;
// How often a drain looks whether it is over.
constexpr int64_t kDrainPeriodNs = 10 * kNsPerMs;
// A stop that takes longer than its grace and this is a defect of ours; it must not keep the machine from going down.
constexpr int kStopSecondsMax = 20;
// A batch job beside a service: what waits for the lock or the network goes first.
constexpr int kCpuLaneNice = 19;

// What Debian's libraries cost by default, and a server need not pay.
void TuneLibraries() {
  // Its abseil is built without NDEBUG: every lock, gRPC's too, is entered into a graph to find cycles. Tests keep it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Each interpreter takes three descriptors, each connection one; select(2), for which the lower limit is, is not
  // used.
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
  }
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "gild-server: %s\n", std::string(status.message().data(), status.message().size()).c_str());
  return 1;
}

class Server {
 public:
  explicit Server(Options options) : options_(std::move(options)) {}
  ~Server() { Stop(); }

  // The order is that of the floors, from the ground up. An error leaves what has started to Stop.
  absl::Status Start();
  // Until a signal or the zygote's end; the exit code. REQUIRES: Start was ok.
  int Serve();

 private:
  // Of isolation, in the first slot that had less than is required.
  struct Shortage {
    IsolationLevel given;
    std::string lacks;
  };

  void MakeCoreMeter();
  absl::Status StartZygote();
  void StartPoller();
  void MakeLanes();
  // Calls wait until the doors are open.
  absl::Status Listen();
  // Before there are slots: no task reaches what we listen on.
  void FenceOffOurselves();
  void StartLanes();
  // Until all are ready, or one has too little isolation, or some time has passed.
  void AwaitSlots();
  // As --require-isolation wants; says what there is.
  bool IsolatedEnough();
  void TellOfIsolation(LaneKind lane, const IsolationSnapshot& isolation) const;
  void OpenDoors();
  void PrintReady(bool all_ready);
  void Drain();
  void Stop();

  std::vector<SlotSnapshot> Slots(int64_t now_ns) const;
  void CountCoresNowAndThen();
  std::vector<Lane::Config::Extra> Extra(LaneKind kind, int slots) const;
  std::unique_ptr<Lane> MakeLane(LaneKind kind, int slots, Scheduler::Capacity capacity, std::vector<int> cores,
                                 int nice);
  Scheduler::LanePort Port(std::unique_ptr<Lane>* lane);
  void OnSlotReady(LaneKind kind, int slot, Scheduler::Capacity capacity) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnZygoteGone(const absl::Status& reason) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnTooLittle(IsolationLevel given, const std::string& lacks) ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<Shortage> shortage() ABSL_LOCKS_EXCLUDED(mutex_);
  bool MustEnd();
  bool AllReady() ABSL_LOCKS_EXCLUDED(mutex_);
  bool ZygoteGone() ABSL_LOCKS_EXCLUDED(mutex_);
  void ExpireNowAndThen();
  // Runs it on the poller's thread and returns when it has run.
  void OnPoller(std::function<void()> action);

  // The I/O lane is there for it.
  bool HasNetwork(LaneKind lane) const { return lane == LaneKind::kIo || options_.cpu_network; }
  ServerInfo Info() const;
  ServerSnapshot Snapshot() const;
  HttpReply Ready() const;
  Health::Now HealthNow() const;

  const Options options_;
  const int64_t started_ns_ = NowNs();
  const std::vector<int> cores_ = AllowedCores();
  std::string rpc_address_;

  // Destroyed from the bottom up.
  std::unique_ptr<Doorbell> doorbell_;
  RuntimeFolder folder_;
  std::unique_ptr<CoreGroups> core_groups_;  // null: they cannot be made here
  std::unique_ptr<CoreMeter> core_meter_;
  std::unique_ptr<SlotGroups> slot_groups_;
  LoneCore lone_core_;
  Poller poller_;
  std::unique_ptr<Zygote> zygote_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<Lane> io_;
  std::unique_ptr<Lane> cpu_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<RpcServer> rpc_;
  std::unique_ptr<Health> health_;
  std::unique_ptr<HttpServer> http_;
  std::thread poller_thread_;
  // Set before the scheduler drains, so that health is never the last to know.
  std::atomic<bool> draining_{false};
  std::atomic<bool> open_{false};  // calls are taken
  bool stopped_ = false;

  absl::Mutex mutex_;
  std::set<std::pair<LaneKind, int>> ready_slots_ ABSL_GUARDED_BY(mutex_);  // that have been ready once
  bool zygote_gone_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Shortage> shortage_ ABSL_GUARDED_BY(mutex_);
};

absl::Status Server::Start() {
  slot_groups_ = SlotGroups::Make();
  MakeCoreMeter();
  GILD_RETURN_IF_ERROR(StartZygote());
  StartPoller();
  MakeLanes();
  GILD_RETURN_IF_ERROR(Listen());
  FenceOffOurselves();
  StartLanes();
  return absl::OkStatus();
}

// Before the zygote, which is born into the server's group.
void Server::MakeCoreMeter() {
  absl::StatusOr<std::unique_ptr<CoreGroups>> groups = CoreGroups::Make();
  core_meter_ = std::make_unique<CoreMeter>(
      cores_,
      CoreMeter::Sources{
          .core_times = [this] { return ReadCoreTimes(cores_); },
          .groups = [this] { return core_groups_->Read(cores_); },
          .server_ns =
              [this] { return ProcessTimeNs(getpid()) + (zygote_ == nullptr ? 0 : ProcessTimeNs(zygote_->pid())); },
          .process_ns = &ProcessTimeNs});
  if (groups.ok()) {
    core_groups_ = *std::move(groups);
    LogInfo("the split of the cores is exact", {{"by", core_meter_->detail()}});
  } else {
    core_meter_->Distrust(std::string(groups.status().message()));
  }
  core_meter_->Look(started_ns_, {});  // the counting begins
}

absl::Status Server::StartZygote() {
  const std::string program = options_.interpreter.empty() ? InterpreterProgramBesideUs() : options_.interpreter;
  // Signals still end us here, so that ^C works during a long import; the zygote ends with its conversation.
  absl::StatusOr<std::unique_ptr<Zygote>> zygote = Zygote::Start(
      &poller_,
      {.program = program,
       .preload = options_.preload,
       .without_layers = options_.without_layers,
       .on_gone = [this](absl::Status reason) { OnZygoteGone(reason); },
       .on_group_missed = [this](const std::string& why) { core_meter_->Distrust(why); },
       .on_too_little = [this](IsolationLevel given, const std::string& lacks) { OnTooLittle(given, lacks); }});
  if (!zygote.ok()) return zygote.status();
  zygote_ = *std::move(zygote);
  doorbell_ = std::make_unique<Doorbell>();
  return folder_.Make();
}

void Server::StartPoller() {
  poller_thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "gild-poller");
    poller_.Run();
  });
}

void Server::MakeLanes() {
  scheduler_ = std::make_unique<Scheduler>(Port(&io_), Port(&cpu_),
                                           Scheduler::Bounds{.queued_tasks = options_.queue_tasks,
                                                             .held_bytes = options_.queue_bytes,
                                                             .sessions = {.idle_ns = options_.session_idle_ns}});
  io_ = MakeLane(LaneKind::kIo, options_.io_interpreters, {.threads = options_.io_threads, .loop_tasks = kLoopTasksMax},
                 {}, 0);
  cpu_ = MakeLane(LaneKind::kCpu, options_.cpu_interpreters, {.threads = 1, .ahead = kAheadTasksMax}, cores_,
                  kCpuLaneNice);
  metrics_ = std::make_unique<Metrics>([this] { return Info(); }, [this] { return Snapshot(); });
}

std::unique_ptr<Lane> Server::MakeLane(LaneKind kind, int slots, Scheduler::Capacity capacity, std::vector<int> cores,
                                       int nice) {
  return std::make_unique<Lane>(
      Lane::Config{
          .kind = kind,
          .slots = slots,
          .network = HasNetwork(kind),
          .extra = Extra(kind, slots),
          .threads = capacity.threads,
          .loop_tasks = capacity.loop_tasks,
          .ahead = capacity.ahead,
          .cores = std::move(cores),
          .nice = nice,
          // Only root may become another user.
          .uid_first = geteuid() == 0 ? FirstUid(kind, getpid(), PidNamespace()) : 0,
          .scratch_root = folder_.path(),
          .group = core_groups_ == nullptr ? "" : core_groups_->folder(kind),
          .groups = slot_groups_.get(),
          .lone_core = &lone_core_,
          .limits = kind == LaneKind::kIo
                        ? SlotLimits{.memory_bytes = options_.io_memory_bytes, .pids = kIoPidsMax, .fenced = true}
                        : SlotLimits{.memory_bytes = options_.cpu_memory_bytes,
                                     .pids = kCpuPidsMax,
                                     .background = true,
                                     .fenced = options_.cpu_network},
          .required = options_.require_isolation,
          .tasks_per_interpreter = options_.tasks_per_interpreter},
      &poller_, zygote_.get(),
      Lane::Events{.ready = [this, kind, capacity](int slot) { OnSlotReady(kind, slot, capacity); },
                   .gone = [this, kind](int slot) { scheduler_->SlotGone(kind, slot); },
                   .on_loop = [this](uint64_t serial) { scheduler_->OnLoop(serial, NowNs()); },
                   .ended = [this](std::vector<EndedTask> tasks) { scheduler_->Ended(std::move(tasks), NowNs()); },
                   .returned = [this](std::vector<uint64_t> serials) { scheduler_->Returned(serials, NowNs()); },
                   .sessions_gone = [this](size_t count) { scheduler_->SessionsGone(count); }});
}

std::vector<Lane::Config::Extra> Server::Extra(LaneKind kind, int slots) const {
  constexpr SlotKind kSubprocess = {.subprocess = true};
  // In the I/O lane one takes them all, as it has many threads.
  if (kind == LaneKind::kIo) return {{.kind = kSubprocess, .seats = 1}};
  return {{.kind = kSubprocess, .seats = slots},
          {.kind = {.fresh = true}, .seats = slots, .per_seat = options_.fresh_stock},
          {.kind = {.subprocess = true, .fresh = true}, .seats = slots}};
}

// The scheduler stands above the lanes but is made before them, so it is given the place where each will be.
Scheduler::LanePort Server::Port(std::unique_ptr<Lane>* lane) {
  return {.run = [lane](int slot, const std::shared_ptr<const Task>& task) { return (*lane)->Run(slot, task); },
          .cancel = [lane](uint64_t serial) { (*lane)->Cancel(serial); },
          .peek = [lane](int slot, uint64_t serial, OutputPoint after) { return (*lane)->Peek(slot, serial, after); },
          .forget = [lane](int slot,
                           const std::vector<uint64_t>& sessions) { return (*lane)->ForgetSessions(slot, sessions); },
          .replace = [lane](int slot) { (*lane)->Replace(slot); }};
}

absl::Status Server::Listen() {
  const auto snapshot = [this] { return Snapshot(); };
  absl::StatusOr<std::unique_ptr<RpcServer>> rpc = RpcServer::Start(
      {.listen = options_.listen,
       // Each that polls beside another costs a wake-up at every event; one kept up with 20,000 tasks a second
       // on two cores.
       .threads = std::clamp<int>(static_cast<int>(cores_.size()) / 8, 1, 4),
       .queue_capacity = options_.queue_tasks,
       .task_memory_bytes_max = options_.cpu_memory_bytes},
      scheduler_.get(), metrics_.get(), [this] { return Info(); }, snapshot, &poller_);
  if (!rpc.ok()) return rpc.status();
  rpc_ = *std::move(rpc);
  health_ =
      std::make_unique<Health>([this](const std::string& name, bool serving) { rpc_->health()->Set(name, serving); },
                               [this] { return HealthNow(); });

  absl::StatusOr<std::unique_ptr<HttpServer>> http = HttpServer::Start(
      options_.http_listen, {{"/metrics",
                              [this] {
                                return HttpReply{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                                 .body = metrics_->Serialize()};
                              }},
                             {"/healthz", [] { return HttpReply{.body = "ok\n"}; }},
                             {"/readyz", [this] { return Ready(); }}});
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  return absl::OkStatus();
}

void Server::FenceOffOurselves() {
  if (IsIn(Layer::kNetworkFence, options_.without_layers)) return;
  std::vector<NetworkFence::Port> ports = {{static_cast<uint16_t>(http_->port()), IsLoopback(options_.http_listen)}};
  // 0: it listens on a file.
  if (rpc_->port() != 0) ports.push_back({static_cast<uint16_t>(rpc_->port()), IsLoopback(options_.listen)});
  slot_groups_->SetFence(NetworkFence::Make(ports));
}

void Server::StartLanes() {
  OnPoller([this] {
    io_->Start();
    cpu_->Start();
    health_->Watch(&poller_);
    ExpireNowAndThen();
    CountCoresNowAndThen();
  });
}

int Server::Serve() {
  AwaitSlots();
  if (!MustEnd()) {
    if (!IsolatedEnough()) {
      Stop();
      return 1;
    }
    OpenDoors();
    PrintReady(AllReady());
  }
  while (!MustEnd()) doorbell_->Await(-1);
  const bool asked_to = doorbell_->signals_seen() > 0;
  if (!ZygoteGone()) Drain();
  const bool lost_zygote = ZygoteGone();
  Stop();
  // A zygote that goes while the server goes has done no harm.
  return lost_zygote && !asked_to ? 1 : 0;
}

void Server::AwaitSlots() {
  const int64_t ready_by_ns = NowNs() + kReadyNs;
  while (!AllReady() && !shortage() && !MustEnd() && NowNs() < ready_by_ns) doorbell_->Await(ready_by_ns);
}

bool Server::IsolatedEnough() {
  const ServerInfo info = Info();
  const std::optional<Shortage> found = shortage();
  const IsolationLevel level = IsolationLevelNamed(info.isolation_level).value_or(IsolationLevel::kNone);
  if (!found && level >= options_.require_isolation) {
    for (const auto& [lane, isolation] : info.isolation) TellOfIsolation(lane, isolation);
    return true;
  }
  LogError("the machine does not give the isolation that is required: the server ends",
           {{"required", Name(options_.require_isolation)},
            {"given", found ? Name(found->given) : info.isolation_level},
            {"lacks", found ? found->lacks : "no slot of some lane has been made in time"}});
  return false;
}

void Server::TellOfIsolation(LaneKind lane, const IsolationSnapshot& isolation) const {
  const std::string missing = absl::StrJoin(isolation.missing, "; ", absl::PairFormatter(": "));
  LogNotice("isolation", {{"lane", Name(lane)},
                          {"gives", Name(LevelOf(isolation.in_force, HasNetwork(lane)))},
                          {"in_force", absl::StrJoin(isolation.in_force, " ")},
                          {"missing", isolation.in_force.empty() ? "no slot has been made in time"
                                      : missing.empty()          ? "nothing"
                                                                 : missing}});
}

void Server::OpenDoors() {
  open_ = true;
  // Whoever gets through may ask health at once.
  OnPoller([this] { health_->Check(); });
  rpc_->Open();
}

void Server::PrintReady(bool all_ready) {
  if (!all_ready) LogWarning("not every slot is ready yet; serving with those that are");
  const auto with_port = [](const std::string& address, int port) {
    return port == 0 ? address : absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
  };
  const auto interpreters = [](int count) {
    return absl::StrCat(count, count == 1 ? " interpreter" : " interpreters");
  };
  std::printf("gild-server listening on %s, http %s (I/O lane: %s × %d threads; CPU lane: %s; CPython %s)\n",
              with_port(options_.listen, rpc_->port()).c_str(), with_port(options_.http_listen, http_->port()).c_str(),
              interpreters(options_.io_interpreters).c_str(), options_.io_threads,
              interpreters(options_.cpu_interpreters).c_str(), zygote_->info().python_version.c_str());
  std::fflush(stdout);
}

void Server::Drain() {
  LogInfo("draining", {{"grace_ms", std::to_string(options_.grace_ns / kNsPerMs)}});
  OnPoller([this] {
    draining_ = true;
    health_->Check();
    scheduler_->Drain();
  });
  const int signals_seen = doorbell_->signals_seen();
  const int64_t grace_over_ns = NowNs() + options_.grace_ns;
  while (!scheduler_->Idle() && NowNs() < grace_over_ns && doorbell_->signals_seen() == signals_seen && !ZygoteGone()) {
    doorbell_->Await(std::min(grace_over_ns, NowNs() + kDrainPeriodNs));
  }
}

void OnStopTooLong(int) {
  constexpr char kText[] = "gild-server: the stop takes too long; ended by force\n";
  (void)!write(STDERR_FILENO, kText, sizeof kText - 1);
  _exit(1);
}

void Server::Stop() {
  if (stopped_) return;
  stopped_ = true;
  signal(SIGALRM, &OnStopTooLong);
  alarm(kStopSecondsMax);
  if (poller_thread_.joinable()) {
    OnPoller([this] {
      if (scheduler_ == nullptr) return;
      scheduler_->Drain();
      // First what waits, so that nothing is placed where a task has just been ended.
      scheduler_->EndWaiting(NowNs());
      if (io_ != nullptr) io_->Shutdown();
      if (cpu_ != nullptr) cpu_->Shutdown();
    });
    // Needs the poller: it delivers the last outcomes.
    if (rpc_ != nullptr) rpc_->Shutdown();
    http_.reset();
    poller_.Stop();
    poller_thread_.join();
  }
  if (zygote_ != nullptr) zygote_->Stop();
  alarm(0);
}

void Server::OnSlotReady(LaneKind kind, int slot, Scheduler::Capacity capacity) {
  const Lane& lane = kind == LaneKind::kIo ? *io_ : *cpu_;
  capacity.kind = lane.kind(slot);
  if (capacity.kind.fresh) capacity.ahead = 0;
  if (kind == LaneKind::kCpu) capacity.seat = lane.seat(slot);
  scheduler_->SlotReady(kind, slot, capacity, NowNs());
  absl::MutexLock lock(&mutex_);
  if (ready_slots_.insert({kind, slot}).second) doorbell_->Ring();
}

void Server::OnZygoteGone(const absl::Status& reason) {
  LogError("the zygote is gone, and with it every slot: the server ends", {{"reason", reason.ToString()}});
  absl::MutexLock lock(&mutex_);
  zygote_gone_ = true;
  doorbell_->Ring();
}

void Server::OnTooLittle(IsolationLevel given, const std::string& lacks) {
  absl::MutexLock lock(&mutex_);
  if (!shortage_) shortage_ = {given, lacks};
  doorbell_->Ring();
}

bool Server::AllReady() {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(ready_slots_.size()) == io_->slots() + cpu_->slots();
}

std::optional<Server::Shortage> Server::shortage() {
  absl::MutexLock lock(&mutex_);
  return shortage_;
}

bool Server::MustEnd() { return ZygoteGone() || doorbell_->signals_seen() > 0; }

bool Server::ZygoteGone() {
  absl::MutexLock lock(&mutex_);
  return zygote_gone_;
}

void Server::ExpireNowAndThen() {
  scheduler_->Expire(NowNs());
  poller_.RunAt(NowNs() + kExpiryPeriodNs, [this] { ExpireNowAndThen(); });
}

void Server::CountCoresNowAndThen() {
  const int64_t now_ns = NowNs();
  const std::vector<SlotSnapshot> slots = Slots(now_ns);
  std::optional<int> waiting;
  if (zygote_->info().meter_available) {
    waiting = 0;
    for (const SlotSnapshot& slot : slots) *waiting += slot.lock ? slot.waiters : 0;
    for (const LaneSnapshot& lane : scheduler_->Lanes()) *waiting += lane.queued;
  }
  core_meter_->Count(NowNs(), slots, waiting);
  poller_.RunAt(now_ns + CoreMeter::kPeriodNs, [this] { CountCoresNowAndThen(); });
}

void Server::OnPoller(std::function<void()> action) {
  absl::Mutex mutex;
  bool done = false;
  poller_.Post([&] {
    action();
    absl::MutexLock lock(&mutex);
    done = true;
  });
  absl::MutexLock lock(&mutex);
  mutex.Await(absl::Condition(&done));
}

ServerInfo Server::Info() const {
  const Zygote::Info& zygote = zygote_->info();
  std::map<LaneKind, IsolationSnapshot> isolation;
  IsolationLevel level = IsolationLevel::kFull;
  for (const LaneKind lane : {LaneKind::kIo, LaneKind::kCpu}) {
    isolation[lane] = zygote_->isolation(lane);
    level = std::min(level, LevelOf(isolation[lane].in_force, HasNetwork(lane)));
  }
  return {.version = GILD_VERSION,
          .python_version = zygote.python_version,
          .meter_available = zygote.meter_available,
          .meter_detail = zygote.meter_detail,
          .isolation = std::move(isolation),
          .isolation_level = Name(level),
          .preloaded = zygote.preloaded,
          .cores = cores_,
          .core_split_exact = core_meter_->exact(),
          .core_split_detail = core_meter_->detail(),
          .task_memory_bytes_max = options_.cpu_memory_bytes};
}

std::vector<SlotSnapshot> Server::Slots(int64_t now_ns) const {
  std::vector<SlotSnapshot> slots = io_->Snapshot(now_ns);
  for (SlotSnapshot& slot : cpu_->Snapshot(now_ns)) slots.push_back(std::move(slot));
  return slots;
}

ServerSnapshot Server::Snapshot() const {
  const int64_t now_ns = NowNs();
  ServerSnapshot snapshot;
  snapshot.draining = scheduler_->draining();
  snapshot.lanes = scheduler_->Lanes();
  for (LaneSnapshot& lane : snapshot.lanes) {
    const bool io = lane.lane == LaneKind::kIo;
    lane.serving = (io ? io_ : cpu_)->Serving(now_ns) && open_ && !draining_;
    lane.interpreters = io ? options_.io_interpreters : options_.cpu_interpreters;
    lane.threads_per_interpreter = io ? options_.io_threads : 1;
  }
  snapshot.slots = Slots(now_ns);
  snapshot.sessions = scheduler_->SessionsNow(now_ns);
  // One moment for both, so that a difference of two snapshots adds up.
  const int64_t cores_ns = NowNs();
  CoreMeter::Figures figures = core_meter_->Look(cores_ns, snapshot.slots);
  snapshot.uptime_ns = cores_ns - started_ns_;
  absl::StatusOr<std::vector<CoreTimes>> core_times = ReadCoreTimes(cores_);
  if (core_times.ok()) snapshot.core_times = *std::move(core_times);
  snapshot.cores = std::move(figures.cores);
  snapshot.core_split_exact = core_meter_->exact();
  snapshot.lost_parallelism_ns = figures.lost_parallelism_ns;
  return snapshot;
}

HttpReply Server::Ready() const {
  const Health::Now now = HealthNow();
  HttpReply reply;
  for (const auto& [lane, serving] : now.serving) {
    const char* const why = now.draining ? "not serving: the server is draining"
                            : !open_     ? "not serving: the server is starting"
                            : serving    ? "serving"
                                         : "not serving: no interpreter can run a task now";
    absl::StrAppend(&reply.body, Name(lane), ": ", why, "\n");
    if (now.draining || !serving) reply.status = 503;
  }
  return reply;
}

Health::Now Server::HealthNow() const {
  const int64_t now_ns = NowNs();
  return {
      .draining = draining_,
      .serving = {{LaneKind::kIo, open_ && io_->Serving(now_ns)}, {LaneKind::kCpu, open_ && cpu_->Serving(now_ns)}}};
}

}  // namespace
}  // namespace gild

int main(int argc, char** argv) {
  auto parsed = gild::ParseOptions(argc, argv, GILD_VERSION);
  if (const gild::Exit* exit = std::get_if<gild::Exit>(&parsed)) {
    std::fputs(exit->out.c_str(), stdout);
    if (!exit->err.empty()) std::fprintf(stderr, "%s\n", exit->err.c_str());
    return exit->code;
  }
  gild::Options& options = std::get<gild::Options>(parsed);
  gild::LogEverything(options.verbose);
  gild::TuneLibraries();
  gild::Server server(std::move(options));
  const absl::Status started = server.Start();
  return started.ok() ? server.Serve() : gild::Fail(started);
}
