#include "tests/testing/citizen.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace gild::testing {
namespace {

namespace fs = std::filesystem;

using Names = std::map<std::string, std::string>;

std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

// The `name: value` lines of the head comment.
Names HeadOf(const std::string& code) {
  Names names;
  std::istringstream lines(code);
  bool described = false;
  for (std::string line; std::getline(lines, line) && line.rfind("#", 0) == 0;) {
    if (line == "#") {
      described = true;
      continue;
    }
    if (!described) continue;
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) throw std::runtime_error("no `name: value`: " + line);
    if (!names.emplace(line.substr(2, colon - 2), line.substr(colon + 2)).second) {
      throw std::runtime_error("twice: " + line);
    }
  }
  return names;
}

class Reader {
 public:
  Reader(const Names& names, v1::Tag tag) : names_(names), suffix_(tag == v1::IO ? ".io" : ".cpu") {}

  std::string Text(const std::string& name, const std::string& otherwise = "") {
    for (const std::string& key : {name + suffix_, name}) {
      if (const auto found = names_.find(key); found != names_.end()) return found->second;
    }
    return otherwise;
  }

  int64_t Number(const std::string& name) { return std::stoll(Text(name, "0")); }

 private:
  const Names& names_;
  const std::string suffix_;
};

void CheckNames(const Names& names) {
  static const std::set<std::string> known = {"lanes",    "ends",       "error", "evidence", "prints", "warns",
                                              "refused",  "wall",       "cpu",   "memory",   "output", "result",
                                              "overflow", "subprocess", "entry", "scratch",  "files",  "processes"};
  for (const auto& [name, value] : names) {
    const std::string bare = name.substr(0, name.find('.'));
    const std::string lane = name.substr(bare.size());
    if (!known.contains(bare) || (!lane.empty() && lane != ".io" && lane != ".cpu")) {
      throw std::runtime_error("unknown name: " + name);
    }
  }
}

google::protobuf::Duration OfMs(int64_t ms) {
  google::protobuf::Duration duration;
  duration.set_seconds(ms / 1000);
  duration.set_nanos(static_cast<int32_t>(ms % 1000 * 1'000'000));
  return duration;
}

Citizen Read(const std::string& name, const std::string& code, const Names& names, v1::Tag tag) {
  Reader head(names, tag);
  Citizen citizen{.name = name, .tag = tag};
  v1::Task& task = citizen.task;
  task.set_name(name.substr(name.find('/') + 1));
  task.set_tag(tag);
  task.mutable_source()->set_code(code);
  task.mutable_source()->set_entry(head.Text("entry"));
  v1::Limits& limits = *task.mutable_limits();
  *limits.mutable_wall() = OfMs(std::stoll(head.Text("wall", "10000")));
  if (tag == v1::CPU) {
    *limits.mutable_cpu() = OfMs(head.Number("cpu"));
    limits.set_memory_bytes(head.Number("memory") << 20);
    limits.set_scratch_bytes(head.Number("scratch") << 20);
    limits.set_scratch_files(head.Number("files"));
    limits.set_processes(head.Number("processes"));
  }
  limits.set_output_bytes(head.Number("output") << 20);
  limits.set_result_bytes(head.Number("result") << 20);
  if (head.Text("overflow") == "end") limits.set_output_overflow(v1::END_TASK);
  task.set_allow_subprocess(head.Text("subprocess") == "yes");
  for (const std::string& word : Words(head.Text("ends", "SUCCEEDED"))) {
    v1::Ending ending;
    if (!v1::Ending_Parse(word, &ending)) throw std::runtime_error("no such ending: " + word);
    citizen.ends.insert(ending);
  }
  citizen.error = head.Text("error");
  citizen.evidence = head.Text("evidence");
  citizen.prints = head.Text("prints");
  citizen.warns = head.Text("warns");
  citizen.refused = Words(head.Text("refused"));
  return citizen;
}

std::string EvidenceText(const v1::Evidence& evidence) {
  std::ostringstream text;
  text << "limit=" << evidence.limit();
  if (evidence.has_allowed()) text << " allowed=" << evidence.allowed();
  if (evidence.has_used()) text << " used=" << evidence.used();
  if (evidence.has_signal()) text << " signal=" << evidence.signal();
  if (evidence.has_exit_code()) text << " exit_code=" << evidence.exit_code();
  text << " detail=" << evidence.detail();
  return text.str();
}

}  // namespace

std::vector<Citizen> Citizens(const std::string& kind) {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(GILD_TESTCASES) / kind)) {
    if (entry.path().extension() == ".py") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Citizen> citizens;
  for (const fs::path& path : paths) {
    const std::string name = kind + "/" + path.stem().string();
    try {
      std::ostringstream code;
      code << std::ifstream(path).rdbuf();
      const Names names = HeadOf(code.str());
      CheckNames(names);
      const auto lanes = names.find("lanes");
      for (const std::string& lane : Words(lanes == names.end() ? "cpu io" : lanes->second)) {
        if (lane != "cpu" && lane != "io") throw std::runtime_error("no such lane: " + lane);
        citizens.push_back(Read(name, code.str(), names, lane == "io" ? v1::IO : v1::CPU));
      }
    } catch (const std::exception& error) {
      throw std::runtime_error(name + ": " + error.what());
    }
  }
  return citizens;
}

std::string Unexpected(const Citizen& citizen, const v1::Outcome& outcome) {
  std::string unexpected;
  const auto expect = [&](bool is_so, const std::string& what) {
    if (!is_so) unexpected += what + "\n";
  };
  const auto expect_found = [&](const std::string& pattern, const std::string& text, const std::string& where) {
    expect(pattern.empty() || std::regex_search(text, std::regex(pattern)),
           "not found in its " + where + ": " + pattern + "\n  which is: " + text.substr(0, 2000));
  };
  expect(citizen.ends.contains(outcome.ending()), "ends as " + v1::Ending_Name(outcome.ending()) + ": " +
                                                      EvidenceText(outcome.evidence()) + " " +
                                                      outcome.error().traceback().substr(0, 2000));
  std::string warnings;
  for (const std::string& warning : outcome.warnings()) warnings += warning + "\n";
  expect_found(citizen.error, outcome.error().type() + ": " + outcome.error().message(), "error");
  expect_found(citizen.evidence, EvidenceText(outcome.evidence()), "evidence");
  expect_found(citizen.prints, outcome.stdout(), "output");
  expect_found(citizen.warns, warnings, "warnings");
  return unexpected;
}

}  // namespace gild::testing
