// Metrics: the one catalogue of what gild tells Prometheus: names, help, labels and buckets stand in metrics.cc,
// nowhere else. Labels come from enums or name slots and cores; never tasks, never pids.
//
// Two kinds: what is counted as it happens (TaskEnded, Refused), and what is read from ServerInfo and a ServerSnapshot
// at each scrape. Any thread. Owns its prometheus registry; the functions must outlive it and never need an
// interpreter's lock.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/task/outcome.h"
#include "server/task/snapshot.h"
#include "server/task/task.h"

namespace gild {

class Metrics {
 public:
  Metrics(std::function<ServerInfo()> info, std::function<ServerSnapshot()> snapshot);
  ~Metrics();

  void TaskEnded(const Task& task, const Outcome& outcome);
  // `reason`: a fixed word ("queue_full", "draining", "invalid_argument").
  void Refused(const std::string& reason);

  // The Prometheus text format, version 0.0.4.
  std::string Serialize() const;

 private:
  struct Catalogue;
  std::unique_ptr<Catalogue> catalogue_;
};

}  // namespace gild
