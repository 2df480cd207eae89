// `gild info` and `gild stats`: what a server is, and what it and its locks are doing. Neither needs an interpreter, so
// both answer while every lock is held.
//
// Main thread only. The texts are pure functions of the replies; --json prints a reply as protobuf's JSON, on one line.
//
//   return ShowInfo(/*json=*/false, "127.0.0.1:50051", terminal);
#pragma once

#include <string>

#include "absl/time/time.h"
#include "client/cli/terminal.h"
#include "gild/v1/monitor.pb.h"

namespace gild::cli {

int ShowInfo(bool json, const std::string& address, const Terminal& terminal);
int ShowStats(bool json, const std::string& address, const Terminal& terminal);
// Again and again, until it is interrupted or the server goes.
int WatchStats(bool json, absl::Duration interval, const std::string& address, const Terminal& terminal);

std::string InfoText(const v1::Info& info, const std::string& address, const Terminal& terminal);
// With the snapshot before it: the cores' shares are of the time between the two, else since the server's start.
std::string StatsText(const v1::Stats& stats, const v1::Stats* before, const Terminal& terminal);

}  // namespace gild::cli
