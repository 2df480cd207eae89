#include "client/cli/monitor_commands.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/exit_code.h"
#include "client/cli/explain.h"
#include "client/cli/table.h"
#include "client/cli/units.h"
#include "client/cli/words.h"
#include "client/cpp/client.h"
#include "client/cpp/durations.h"

namespace gild::cli {
namespace {

constexpr int kSessionsShown = 10;  // in a table; --json has them all

std::string MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;  // MessageToJsonString appends
  // It fails for a duration out of range, say: a reply that the server should not have sent.
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) return "";
  return json + "\n";
}

template <typename Reply>
int Show(const absl::StatusOr<Reply>& reply, bool json, const std::string& text, const std::string& address,
         const Terminal& terminal) {
  if (!reply.ok()) {
    const ServerError error = ServerError::From(reply.status());
    Explanation why = Explain(error, address);
    // It was asked a question, not given a task.
    if (error.kind == ServerError::Kind::kConnectionLost) {
      why = {absl::StrCat("the connection to the server at ", OneLine(address), " broke"), "try again"};
    }
    terminal.Error(why.cause, why.hint);
    return ExitCode(error);
  }
  const std::string shown = json ? MessageJson(*reply) : text;
  if (shown.empty()) {
    terminal.Error("the server's answer cannot be shown as JSON", "run it without --json");
    return kExitGildFailed;
  }
  return WriteAll(STDOUT_FILENO, shown) ? kExitSucceeded : kExitGildFailed;
}

std::string TimeLimit(const google::protobuf::Duration& limit) {
  const absl::Duration duration = FromProto(limit);
  return duration <= absl::ZeroDuration() ? "none" : TimeText(duration);
}

std::string ByteLimit(uint64_t bytes) { return bytes == 0 ? "none" : SizeText(bytes); }

std::string CountLimit(uint64_t count) { return count == 0 ? "none" : absl::StrCat(count); }

std::string LimitsText(const v1::Info& info, const std::function<std::string(const std::string&)>& bold) {
  Table table({{"LIMIT"}, {"DEFAULT", Align::kRight}, {"CEILING", Align::kRight}});
  const v1::Limits& usual = info.default_limits();
  const v1::Limits& most = info.ceiling_limits();
  table.Row({"wall", TimeLimit(usual.wall()), TimeLimit(most.wall())});
  table.Row({"queue", TimeLimit(usual.queue()), TimeLimit(most.queue())});
  table.Row({"cpu", TimeLimit(usual.cpu()), TimeLimit(most.cpu())});
  table.Row({"memory", ByteLimit(usual.memory_bytes()), ByteLimit(most.memory_bytes())});
  table.Row({"processes", CountLimit(usual.processes()), CountLimit(most.processes())});
  table.Row({"scratch", ByteLimit(usual.scratch_bytes()), ByteLimit(most.scratch_bytes())});
  table.Row({"scratch files", CountLimit(usual.scratch_files()), CountLimit(most.scratch_files())});
  table.Row({"output", ByteLimit(usual.output_bytes()), ByteLimit(most.output_bytes())});
  table.Row({"result", ByteLimit(usual.result_bytes()), ByteLimit(most.result_bytes())});
  return table.Text(bold);
}

std::string Share(absl::Duration part, absl::Duration whole) {
  if (whole <= absl::ZeroDuration()) return "-";
  return PercentText(absl::FDivDuration(part, whole));
}

std::string LanesText(const v1::Stats& stats, const std::function<std::string(const std::string&)>& bold) {
  Table table({{"LANE"},
               {"SERVING"},
               {"QUEUED", Align::kRight},
               {"BYTES", Align::kRight},
               {"RUNNING", Align::kRight},
               {"ENDED"}});
  for (const v1::LaneStats& lane : stats.lanes()) {
    std::vector<std::string> endings;
    for (const v1::EndingCount& count : lane.endings()) {
      if (count.tasks() > 0) endings.push_back(absl::StrCat(EndingWord(count.ending()), " ", count.tasks()));
    }
    table.Row({LaneTitle(lane.lane()), lane.serving() ? "yes" : "NO", absl::StrCat(lane.queued()),
               SizeText(lane.queued_bytes()), absl::StrCat(lane.running()),
               endings.empty() ? "-" : absl::StrJoin(endings, ", ")});
  }
  return table.Text(bold);
}

// "3/128+500": on its threads, of so many, and on its event loop.
std::string TasksText(const v1::InterpreterStats& it) {
  std::string text = absl::StrCat(it.running() - std::min(it.running(), it.on_loop()), "/", it.capacity());
  if (it.on_loop() > 0) absl::StrAppend(&text, "+", it.on_loop());
  return text;
}

std::string InterpretersText(const v1::Stats& stats, const std::function<std::string(const std::string&)>& bold) {
  Table table({{"SLOT"},
               {"LANE"},
               {"STATE"},
               {"GEN", Align::kRight},
               {"PID", Align::kRight},
               {"TASKS", Align::kRight},
               {"WAIT", Align::kRight},
               {"HOLD", Align::kRight},
               {"LONGEST", Align::kRight},
               {"WANT", Align::kRight},
               {"HOLDER NOW"}});
  for (const v1::InterpreterStats& it : stats.interpreters()) {
    const auto lock_time = [&it](bool has, const google::protobuf::Duration& duration) {
      return it.has_lock() && has ? TimeText(FromProto(duration)) : std::string("n/a");
    };
    std::string holder = it.has_lock() ? "-" : "n/a";
    if (it.has_holder()) {
      const std::string who = it.holder().task_id().empty() ? "(interpreter)" : OneLine(it.holder().task_name());
      holder = absl::StrCat(who, " for ", TimeText(FromProto(it.holder().held_for())));
    }
    table.Row({it.slot(), LaneTitle(it.lane()), StateWord(it.state()), absl::StrCat(it.generation()),
               it.pid() == 0 ? "-" : absl::StrCat(it.pid()), TasksText(it),
               lock_time(it.lock().has_wait(), it.lock().wait()), lock_time(it.lock().has_hold(), it.lock().hold()),
               lock_time(it.lock().has_longest_hold(), it.lock().longest_hold()),
               it.has_waiters() ? absl::StrCat(it.waiters()) : "n/a", holder});
  }
  return table.Text(bold);
}

// All zero when there is none.
v1::CoreStats CoreIn(const v1::Stats* stats, int core) {
  if (stats == nullptr) return {};
  for (const v1::CoreStats& each : stats->cores()) {
    if (each.core() == core) return each;
  }
  return {};
}

// What a core's time was since the snapshot before, or since the server's start.
struct CoreShare {
  int core = 0;
  absl::Duration io, cpu, server, other, idle, steal;

  absl::Duration Whole() const { return io + cpu + server + other + idle + steal; }
};

CoreShare ShareOf(const v1::CoreStats& core, const v1::CoreStats& since) {
  return {.core = core.core(),
          .io = FromProto(core.io_lane()) - FromProto(since.io_lane()),
          .cpu = FromProto(core.cpu_lane()) - FromProto(since.cpu_lane()),
          .server = FromProto(core.server()) - FromProto(since.server()),
          .other = FromProto(core.other()) - FromProto(since.other()),
          .idle = FromProto(core.idle()) - FromProto(since.idle()),
          .steal = FromProto(core.steal()) - FromProto(since.steal())};
}

std::string LostText(const v1::Stats& stats, const v1::Stats* before, absl::Duration whole) {
  if (!stats.has_lost_parallelism()) return "lost parallelism n/a: there is no lock meter\n";
  absl::Duration lost = FromProto(stats.lost_parallelism());
  if (before != nullptr) lost -= FromProto(before->lost_parallelism());
  return absl::StrCat("lost parallelism ", Share(lost, whole), ", ", TimeText(lost),
                      " at most: cores idled while tasks waited for a lock or in a queue\n");
}

std::string CoresText(const v1::Stats& stats, const v1::Stats* before,
                      const std::function<std::string(const std::string&)>& bold) {
  if (stats.cores().empty()) return "cores n/a: the server cannot read /proc/stat\n";
  const std::string since = before == nullptr ? "since the server's start" : "of the last interval";
  Table table({{"CORE", Align::kRight},
               {"I/O", Align::kRight},
               {"CPU", Align::kRight},
               {"SERVER", Align::kRight},
               {"OTHER", Align::kRight},
               {"IDLE", Align::kRight},
               {"STEAL", Align::kRight},
               {absl::StrCat("(", since, stats.core_split_exact() ? ")" : "; I/O and SERVER are estimates)")}});
  absl::Duration whole;
  for (const v1::CoreStats& core : stats.cores()) {
    const CoreShare share = ShareOf(core, CoreIn(before, core.core()));
    whole += share.Whole();
    std::vector<std::string> cells = {absl::StrCat(share.core)};
    for (const absl::Duration part : {share.io, share.cpu, share.server, share.other, share.idle, share.steal}) {
      cells.push_back(Share(part, share.Whole()));
    }
    table.Row(std::move(cells));
  }
  return table.Text(bold) + LostText(stats, before, whole);
}

std::string RestartsText(const v1::Stats& stats) {
  std::string text;
  for (const v1::InterpreterStats& it : stats.interpreters()) {
    for (const v1::RestartCount& restart : it.restarts()) {
      if (restart.restarts() == 0) continue;
      absl::StrAppend(&text, text.empty() ? "restarts: " : ", ", it.slot(), " ", OneLine(restart.cause()), " ",
                      restart.restarts());
    }
  }
  return text.empty() ? "" : text + "\n";
}

// With the line before; empty when there are none.
std::string SessionsText(const v1::Stats& stats, const std::function<std::string(const std::string&)>& bold) {
  if (stats.sessions().empty()) return "";
  Table table({{"SESSION"}, {"SLOT"}, {"TASKS", Align::kRight}, {"ACTIVE", Align::kRight}, {"IDLE", Align::kRight}});
  const int shown = std::min(stats.sessions_size(), kSessionsShown);
  for (int i = 0; i < shown; ++i) {
    const v1::SessionStats& session = stats.sessions(i);
    table.Row({OneLine(session.session()), session.slot().empty() ? "-" : OneLine(session.slot()),
               absl::StrCat(session.tasks()), absl::StrCat(session.active()),
               session.has_idle() ? TimeText(FromProto(session.idle())) : "-"});
  }
  const int more = stats.sessions_size() - shown;
  return absl::StrCat("\n", table.Text(bold), more == 0 ? "" : absl::StrCat("… and ", more, " more\n"));
}

}  // namespace

std::string InfoText(const v1::Info& info, const std::string& address, const Terminal& terminal) {
  const auto bold = [&terminal](const std::string& text) { return terminal.Bold(text); };
  const auto listed = [](const auto& words) { return words.empty() ? "none" : absl::StrJoin(words, ", "); };
  std::string text = absl::StrCat("gild ", info.version(), " at ", address, ", CPython ", info.python_version(), "\n");
  absl::StrAppend(&text, "lock meter  ",
                  info.meter_available() ? "exact" : absl::StrCat("unavailable: ", OneLine(info.meter_detail())), "\n");
  absl::StrAppend(&text, "isolation   ", info.isolation_level(), info.isolation_level().empty() ? "" : ": ",
                  listed(info.isolation()), "\n");
  // By layer and reason: the lanes.
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> missing;
  for (const v1::LaneInfo& lane : info.lanes()) {
    for (const v1::MissingLayer& layer : lane.missing_isolation()) {
      missing[{OneLine(layer.layer()), OneLine(layer.why())}].push_back(LaneTitle(lane.lane()));
    }
  }
  for (const auto& [layer, lanes] : missing) {
    absl::StrAppend(&text, "  missing   ", layer.first, " (", absl::StrJoin(lanes, " and "), "): ", layer.second, "\n");
  }
  absl::StrAppend(&text, "preloaded   ", listed(info.preloaded()), "\n");
  absl::StrAppend(&text, "cores       ", listed(info.cores()), "\n");
  absl::StrAppend(&text, "their split ",
                  info.core_split_exact() ? "exact: " : "estimated: ", OneLine(info.core_split_detail()), "\n\n");
  Table lanes({{"LANE"}, {"INTERPRETERS", Align::kRight}, {"THREADS EACH", Align::kRight}, {"QUEUE", Align::kRight}});
  for (const v1::LaneInfo& lane : info.lanes()) {
    lanes.Row({LaneTitle(lane.lane()), absl::StrCat(lane.interpreters()), absl::StrCat(lane.threads_per_interpreter()),
               absl::StrCat(lane.queue_capacity())});
  }
  absl::StrAppend(&text, lanes.Text(bold), "\n", LimitsText(info, bold));
  return text;
}

std::string StatsText(const v1::Stats& stats, const v1::Stats* before, const Terminal& terminal) {
  const auto bold = [&terminal](const std::string& text) { return terminal.Bold(text); };
  return absl::StrCat("up ", TimeText(FromProto(stats.uptime())), stats.draining() ? ", DRAINING" : "", "\n\n",
                      LanesText(stats, bold), "\n", InterpretersText(stats, bold), RestartsText(stats),
                      SessionsText(stats, bold), "\n", CoresText(stats, before, bold));
}

int ShowInfo(bool json, const std::string& address, const Terminal& terminal) {
  const absl::StatusOr<v1::Info> info = Client(address).GetInfo();
  return Show(info, json, info.ok() ? InfoText(*info, address, terminal) : "", address, terminal);
}

int ShowStats(bool json, const std::string& address, const Terminal& terminal) {
  const absl::StatusOr<v1::Stats> stats = Client(address).GetStats();
  return Show(stats, json, stats.ok() ? StatsText(*stats, nullptr, terminal) : "", address, terminal);
}

int WatchStats(bool json, absl::Duration interval, const std::string& address, const Terminal& terminal) {
  // Redrawn in place for a person; one after the other for a file or a pipe.
  const std::string clear = !json && isatty(STDOUT_FILENO) != 0 ? "\x1b[H\x1b[2J" : "";
  std::optional<v1::Stats> before;
  int exit_code = kExitSucceeded;
  const absl::Status status = Client(address).WatchStats(interval, [&](const v1::Stats& stats) {
    const std::string text = json ? "" : clear + StatsText(stats, before ? &*before : nullptr, terminal);
    before = stats;
    exit_code = Show<v1::Stats>(stats, json, text, address, terminal);
    return exit_code == kExitSucceeded;  // a closed pipe is an end, too
  });
  return status.ok() ? exit_code : Show<v1::Stats>(status, json, "", address, terminal);
}

}  // namespace gild::cli
