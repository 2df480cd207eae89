#include "server/metrics/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "server/base/clock.h"

namespace gild {
namespace {

constexpr std::array kTags = {Tag::kAuto, Tag::kIo, Tag::kCpu};
constexpr std::array kLanes = {LaneKind::kIo, LaneKind::kCpu};
constexpr std::array kStates = {InterpreterState::kStarting, InterpreterState::kReady, InterpreterState::kStopping,
                                InterpreterState::kBackingOff};

double Seconds(int64_t ns) { return static_cast<double>(ns) / kNsPerSecond; }

// 100 us to 60 s, about three a decade: a hand-over takes some 100 us, the default limit of a task is 30 s.
prometheus::Histogram::BucketBoundaries SecondsBuckets() {
  return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
}

using Labels = std::vector<std::pair<std::string, std::string>>;

// One family of the snapshot at a scrape.
class FamilyMaker {
 public:
  FamilyMaker(prometheus::MetricType type, std::string name, std::string help) {
    family_.type = type;
    family_.name = std::move(name);
    family_.help = std::move(help);
  }

  void Add(const Labels& labels, double value) {
    prometheus::ClientMetric metric;
    for (const auto& [name, text] : labels) metric.label.push_back({name, text});
    if (family_.type == prometheus::MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family_.metric.push_back(std::move(metric));
  }

  // A family without a series is left out: its HELP alone says nothing.
  void MoveTo(std::vector<prometheus::MetricFamily>* families) {
    if (!family_.metric.empty()) families->push_back(std::move(family_));
  }

 private:
  prometheus::MetricFamily family_;
};

FamilyMaker Gauge(std::string name, std::string help) {
  return FamilyMaker(prometheus::MetricType::Gauge, std::move(name), std::move(help));
}
FamilyMaker Counter(std::string name, std::string help) {
  return FamilyMaker(prometheus::MetricType::Counter, std::move(name), std::move(help));
}

void CollectLanes(const ServerInfo& info, const ServerSnapshot& snapshot,
                  std::vector<prometheus::MetricFamily>* families) {
  FamilyMaker serving = Gauge("gild_lane_serving", "1 when the lane can run a task now, as gRPC health says of it.");
  FamilyMaker queue = Gauge("gild_queue_tasks", "Tasks that wait for the lane.");
  FamilyMaker queue_bytes = Gauge("gild_queue_bytes", "Memory held by the tasks that wait for the lane.");
  FamilyMaker running = Gauge("gild_running_tasks", "Tasks handed to an interpreter of the lane and not yet ended.");
  FamilyMaker interpreters = Gauge("gild_interpreters", "Slots of the lane by the state of the interpreter in them.");
  FamilyMaker isolation = Gauge("gild_isolation_layer",
                                "1 when the layer of isolation is in force in every slot of the lane, 0 when one "
                                "lacks it; absent where the lane has no use for it.");
  for (const LaneSnapshot& lane : snapshot.lanes) {
    const std::pair<std::string, std::string> label = {"lane", Name(lane.lane)};
    serving.Add({label}, lane.serving);
    queue.Add({label}, lane.queued);
    queue_bytes.Add({label}, lane.queued_bytes);
    running.Add({label}, lane.running);
    for (const InterpreterState state : kStates) {
      int count = 0;
      for (const SlotSnapshot& slot : snapshot.slots) count += slot.lane == lane.lane && slot.state == state;
      interpreters.Add({label, {"state", Name(state)}}, count);
    }
    const auto found = info.isolation.find(lane.lane);
    if (found == info.isolation.end()) continue;
    for (const std::string& layer : found->second.in_force) isolation.Add({label, {"layer", layer}}, 1);
    for (const auto& [layer, why] : found->second.missing) isolation.Add({label, {"layer", layer}}, 0);
  }
  for (FamilyMaker* family : {&serving, &queue, &queue_bytes, &running, &interpreters, &isolation}) {
    family->MoveTo(families);
  }
}

void CollectSlots(const ServerSnapshot& snapshot, std::vector<prometheus::MetricFamily>* families) {
  FamilyMaker wait =
      Counter("gild_lock_wait_seconds_total",
              "Time that threads of the slot's interpreters spent wanting their lock, summed over threads.");
  FamilyMaker hold = Counter("gild_lock_hold_seconds_total",
                             "Time that the lock of the slot's interpreters was held, the present hold included.");
  FamilyMaker takes = Counter("gild_lock_takes_total", "How often the lock was taken.");
  FamilyMaker contended =
      Counter("gild_lock_contended_takes_total", "How often a thread had to wait before it took the lock.");
  FamilyMaker forced = Counter("gild_lock_forced_releases_total",
                               "How often a holder was made to let go because another thread asked; a lower bound.");
  FamilyMaker longest =
      Gauge("gild_lock_longest_hold_seconds", "The longest uninterrupted hold since the server started.");
  FamilyMaker waiters = Gauge("gild_lock_waiters", "Threads that want the lock at this moment.");
  FamilyMaker current = Gauge("gild_lock_current_hold_seconds",
                              "For how long the present holder has had the lock; 0 when nobody has it.");
  FamilyMaker restarts = Counter("gild_interpreter_restarts_total", "Interpreters that were replaced, by cause.");
  FamilyMaker replaced =
      Gauge("gild_interpreter_replacement_seconds",
            "How long the latest replacement took, from an interpreter's end until its successor was ready.");
  FamilyMaker denied = Counter("gild_denied_syscalls_total", "System calls that tasks were refused, by name.");
  std::map<std::pair<LaneKind, std::string>, uint64_t> denied_calls;
  for (const SlotSnapshot& slot : snapshot.slots) {
    const std::pair<std::string, std::string> label = {"slot", slot.slot};
    if (slot.replaced_in_ns) replaced.Add({label}, Seconds(*slot.replaced_in_ns));
    for (const auto& [name, count] : slot.denied) denied_calls[{slot.lane, name}] += count;
    for (const auto& [cause, count] : slot.restarts) {
      restarts.Add({label, {"lane", Name(slot.lane)}, {"cause", cause}}, count);
    }
    // Unavailable is absent, never zero.
    if (!slot.lock) continue;
    wait.Add({label}, Seconds(slot.lock->wait_ns));
    hold.Add({label}, Seconds(slot.lock->hold_ns));
    takes.Add({label}, slot.lock->takes);
    contended.Add({label}, slot.lock->contended_takes);
    forced.Add({label}, slot.lock->forced_releases);
    longest.Add({label}, Seconds(slot.lock->longest_hold_ns));
    waiters.Add({label}, slot.waiters);
    current.Add({label}, slot.holder ? Seconds(slot.holder->held_ns) : 0);
  }
  for (const auto& [call, count] : denied_calls) {
    denied.Add({{"lane", Name(call.first)}, {"syscall", call.second}}, count);
  }
  for (FamilyMaker* family :
       {&wait, &hold, &takes, &contended, &forced, &longest, &waiters, &current, &restarts, &replaced, &denied}) {
    family->MoveTo(families);
  }
}

void CollectSessions(const SessionsSnapshot& sessions, std::vector<prometheus::MetricFamily>* families) {
  FamilyMaker live = Gauge("gild_sessions", "Sessions of the I/O lane that live: globals that tasks share.");
  live.Add({}, sessions.live.size());
  FamilyMaker forgotten =
      Counter("gild_sessions_forgotten_total",
              "Sessions that were forgotten: idle for too long, or to make room for another as there were too many.");
  forgotten.Add({{"cause", "idle"}}, sessions.forgotten_idle);
  forgotten.Add({{"cause", "full"}}, sessions.forgotten_full);
  for (FamilyMaker* family : {&live, &forgotten}) family->MoveTo(families);
}

void CollectServer(const ServerInfo& info, const ServerSnapshot& snapshot,
                   std::vector<prometheus::MetricFamily>* families) {
  FamilyMaker core_modes =
      Counter("gild_core_seconds_total",
              "How the cores that the server may use spent their time since boot, whoever ran; steal "
              "went to other guests of the hypervisor.");
  for (const CoreTimes& core : snapshot.core_times) {
    const std::pair<std::string, std::string> label = {"core", std::to_string(core.core)};
    core_modes.Add({label, {"mode", "user"}}, Seconds(core.user_ns));
    core_modes.Add({label, {"mode", "system"}}, Seconds(core.system_ns));
    core_modes.Add({label, {"mode", "idle"}}, Seconds(core.idle_ns));
    core_modes.Add({label, {"mode", "steal"}}, Seconds(core.steal_ns));
  }
  FamilyMaker core_split = Counter(
      "gild_core_split_seconds_total",
      "Whose the time of each core was that the server may use: the I/O lane's, the CPU lane's, the server's own, "
      "other processes', nobody's (idle) or that of other guests of the hypervisor (steal); the sum is the time "
      "since the server started.");
  for (const CoreSplit& core : snapshot.cores) {
    const std::pair<std::string, std::string> label = {"core", std::to_string(core.core)};
    core_split.Add({label, {"kind", "io"}}, Seconds(core.io_ns));
    core_split.Add({label, {"kind", "cpu"}}, Seconds(core.cpu_ns));
    core_split.Add({label, {"kind", "server"}}, Seconds(core.server_ns));
    core_split.Add({label, {"kind", "other"}}, Seconds(core.other_ns));
    core_split.Add({label, {"kind", "idle"}}, Seconds(core.idle_ns));
    core_split.Add({label, {"kind", "steal"}}, Seconds(core.steal_ns));
  }
  FamilyMaker exact =
      Gauge("gild_core_split_exact",
            "1 when gild_core_split_seconds_total is exact; 0 when it is an estimate how the I/O lane and the "
            "server share the cores.");
  exact.Add({}, snapshot.core_split_exact);
  FamilyMaker lost =
      Counter("gild_lost_parallelism_core_seconds_total",
              "Core-seconds in which cores idled while tasks waited for a lock or in a queue: of each 100 ms "
              "the smaller of the two, an upper bound.");
  if (snapshot.lost_parallelism_ns) lost.Add({}, Seconds(*snapshot.lost_parallelism_ns));
  FamilyMaker draining = Gauge("gild_draining", "1 from SIGTERM on: new tasks are refused, accepted ones go on.");
  draining.Add({}, snapshot.draining);
  FamilyMaker uptime = Gauge("gild_uptime_seconds", "Time since the server started.");
  uptime.Add({}, Seconds(snapshot.uptime_ns));
  FamilyMaker build = Gauge("gild_build_info", "Always 1; its labels say what runs, and whether the lock meter works.");
  build.Add({{"version", info.version},
             {"python_version", info.python_version},
             {"lock_meter", info.meter_available ? "available" : "unavailable"}},
            1);
  for (FamilyMaker* family : {&core_modes, &core_split, &exact, &lost, &draining, &uptime, &build})
    family->MoveTo(families);
}

}  // namespace

struct Metrics::Catalogue {
  Catalogue(std::function<ServerInfo()> info_function, std::function<ServerSnapshot()> snapshot_function)
      : info(std::move(info_function)),
        snapshot(std::move(snapshot_function)),
        tasks(prometheus::BuildCounter()
                  .Name("gild_tasks_total")
                  .Help("Tasks that ended, by what the client said of them, the lane and how they ended.")
                  .Register(registry)),
        refusals(prometheus::BuildCounter()
                     .Name("gild_refusals_total")
                     .Help("Tasks that were not accepted, by reason.")
                     .Register(registry)),
        queue(Histograms("gild_task_queue_seconds",
                         "From acceptance until the task was handed to an interpreter, or ended unstarted.")),
        run(Histograms(
            "gild_task_run_seconds",
            "From its interpreter beginning with a task to the task's end, its waits for the lock included.")),
        lock_wait(Histograms("gild_task_lock_wait_seconds", "Time that one task spent wanting the lock.")),
        lock_hold(Histograms("gild_task_lock_hold_seconds", "Time that one task spent holding the lock.")) {
    for (const Tag tag : kTags) {
      for (const LaneKind lane : kLanes) {
        for (const Ending ending : kEndings) {
          ended[Index(tag)][Index(lane)][Index(ending)] =
              &tasks.Add({{"tag", gild::Name(tag)}, {"lane", gild::Name(lane)}, {"ending", gild::Name(ending)}});
        }
      }
    }
    // There from the start, so that the first one shows as an increase.
    for (const char* reason : {"queue_full", "queue_bytes_full", "sessions_full", "replies_unread", "draining",
                               "function_missing", "invalid_argument"}) {
      refusals.Add({{"reason", reason}});
    }
  }

  using ByLane = std::array<prometheus::Histogram*, kLanes.size()>;

  ByLane Histograms(const char* name, const char* help) {
    auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
    ByLane by_lane;
    for (const LaneKind lane : kLanes)
      by_lane[Index(lane)] = &family.Add({{"lane", gild::Name(lane)}}, SecondsBuckets());
    return by_lane;
  }

  template <typename Enum>
  static size_t Index(Enum value) {
    return static_cast<size_t>(value);
  }

  const std::function<ServerInfo()> info;
  const std::function<ServerSnapshot()> snapshot;
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& tasks;
  prometheus::Family<prometheus::Counter>& refusals;
  // Kept, as looking a series up costs a map and a lock.
  std::array<std::array<std::array<prometheus::Counter*, kEndings.size()>, kLanes.size()>, kTags.size()> ended;
  const ByLane queue;
  const ByLane run;
  const ByLane lock_wait;
  const ByLane lock_hold;
};

Metrics::Metrics(std::function<ServerInfo()> info, std::function<ServerSnapshot()> snapshot)
    : catalogue_(std::make_unique<Catalogue>(std::move(info), std::move(snapshot))) {}

Metrics::~Metrics() = default;

void Metrics::TaskEnded(const Task& task, const Outcome& outcome) {
  const size_t lane = Catalogue::Index(task.lane);
  catalogue_->ended[Catalogue::Index(task.tag)][lane][Catalogue::Index(outcome.ending)]->Increment();
  catalogue_->queue[lane]->Observe(Seconds(outcome.usage.queue_ns));
  if (outcome.usage.run_ns) catalogue_->run[lane]->Observe(Seconds(*outcome.usage.run_ns));
  if (outcome.lock) {
    catalogue_->lock_wait[lane]->Observe(Seconds(outcome.lock->wait_ns));
    catalogue_->lock_hold[lane]->Observe(Seconds(outcome.lock->hold_ns));
  }
}

void Metrics::Refused(const std::string& reason) { catalogue_->refusals.Add({{"reason", reason}}).Increment(); }

std::string Metrics::Serialize() const {
  const ServerInfo info = catalogue_->info();
  const ServerSnapshot snapshot = catalogue_->snapshot();
  std::vector<prometheus::MetricFamily> families = catalogue_->registry.Collect();
  CollectLanes(info, snapshot, &families);
  CollectSlots(snapshot, &families);
  CollectSessions(snapshot.sessions, &families);
  CollectServer(info, snapshot, &families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace gild
