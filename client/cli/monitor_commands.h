// `gild info` and `gild stats`: what a server is, and what it and its locks are doing. Neither needs an interpreter, so
// both answer while every lock is held.
//
// Main thread only. The texts are pure functions of the replies; --json prints a reply as protobuf's JSON, on one line.
//
//   return ShowInfo(/*json=*/false, "127.0.0.1:50051", terminal);
#pragma once

#include <string>

#include "client/cli/terminal.h"
#include "gild/v1/monitor.pb.h"

namespace gild::cli {

int ShowInfo(bool json, const std::string& address, const Terminal& terminal);
int ShowStats(bool json, const std::string& address, const Terminal& terminal);

std::string InfoText(const v1::Info& info, const std::string& address, const Terminal& terminal);
std::string StatsText(const v1::Stats& stats, const Terminal& terminal);

}  // namespace gild::cli
