#include "tests/testing/footprint.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

namespace gild::testing {
namespace {

namespace fs = std::filesystem;

// Whatever is looked at may go away meanwhile: an error is the end of what there is.
template <typename Iterator>
std::vector<fs::path> Entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code gone;
  for (Iterator entry(folder, gone), end; !gone && entry != end; entry.increment(gone)) {
    entries.push_back(entry->path());
  }
  return entries;
}

std::vector<std::string> LinesOf(const fs::path& file) {
  std::vector<std::string> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> WordsOf(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), {}};
}

fs::path ProcOf(int pid) { return fs::path("/proc") / std::to_string(pid); }

// Of a process, and of all that come from it.
std::vector<int> ProcessesUnder(int pid) {
  std::vector<int> processes = {pid};
  for (const fs::path& thread : Entries<fs::directory_iterator>(ProcOf(pid) / "task")) {
    std::ifstream children(thread / "children");
    for (int child = 0; children >> child;) {
      const std::vector<int> under = ProcessesUnder(child);
      processes.insert(processes.end(), under.begin(), under.end());
    }
  }
  return processes;
}

// In all mount namespaces that they are in: a slot's scratch is in one of its own.
int64_t MountsOf(const std::vector<int>& processes) {
  std::set<fs::path> seen;
  int64_t mounts = 0;
  for (const int pid : processes) {
    std::error_code gone;
    const fs::path space = fs::read_symlink(ProcOf(pid) / "ns/mnt", gone);
    if (!gone && seen.insert(space).second) mounts += static_cast<int64_t>(LinesOf(ProcOf(pid) / "mountinfo").size());
  }
  return mounts;
}

// A server's groups lie in folders that are named after it, gild-…-XXXXXX, one in each tree.
std::set<fs::path> GroupFoldersOf(const std::vector<int>& processes) {
  std::vector<fs::path> trees;
  for (const std::string& line : LinesOf("/proc/self/mountinfo")) {
    if (line.find(" - cgroup") != std::string::npos) trees.emplace_back(WordsOf(line).at(4));
  }
  std::set<fs::path> folders;
  for (const int pid : processes) {
    for (const std::string& line : LinesOf(ProcOf(pid) / "cgroup")) {
      const size_t name = line.find("/gild-");
      if (name == std::string::npos) continue;
      const std::string path = line.substr(line.find(":/") + 1);
      const std::string own = path.substr(1, path.find('/', path.find("/gild-") + 1) - 1);
      for (const fs::path& tree : trees) {
        if (fs::is_directory(tree / own)) folders.insert(tree / own);
      }
    }
  }
  return folders;
}

int64_t GroupsOf(const std::vector<int>& processes) {
  int64_t groups = 0;
  for (const fs::path& folder : GroupFoldersOf(processes)) {
    ++groups;
    for (const fs::path& entry : Entries<fs::recursive_directory_iterator>(folder)) {
      if (std::error_code gone; fs::is_directory(entry, gone)) ++groups;
    }
  }
  return groups;
}

// The users that its slots are, and nobody else is.
std::set<int64_t> UsersOf(const std::vector<int>& processes) {
  std::set<int64_t> users;
  for (const int pid : processes) users.insert(StatusOf(pid, "Uid"));
  users.erase(StatusOf(processes.front(), "Uid"));
  return users;
}

int64_t FilesOf(const std::set<int64_t>& users) {
  int64_t files = 0;
  for (const char* const folder : {"/tmp", "/var/tmp", "/dev/shm", "/run"}) {
    for (const fs::path& entry : Entries<fs::directory_iterator>(folder)) {
      struct stat about;
      if (lstat(entry.c_str(), &about) == 0 && users.contains(about.st_uid)) ++files;
    }
  }
  return files;
}

int64_t SystemVObjectsOf(const std::set<int64_t>& users) {
  int64_t objects = 0;
  for (const char* const kind : {"shm", "sem", "msg"}) {
    const std::vector<std::string> lines = LinesOf(fs::path("/proc/sysvipc") / kind);
    if (lines.empty()) continue;
    const std::vector<std::string> head = WordsOf(lines.front());
    const size_t owner = std::find(head.begin(), head.end(), "uid") - head.begin();
    for (size_t i = 1; i < lines.size(); ++i) {
      const std::vector<std::string> object = WordsOf(lines[i]);
      if (owner < object.size() && users.contains(std::stoll(object[owner]))) ++objects;
    }
  }
  return objects;
}

}  // namespace

int64_t StatusOf(int pid, const std::string& name) {
  for (const std::string& line : LinesOf(ProcOf(pid) / "status")) {
    if (line.rfind(name + ":", 0) == 0) return std::stoll(line.substr(name.size() + 1));
  }
  return 0;
}

Footprint Footprint::Of(int server, const std::string& temporary_folder) {
  const std::vector<int> processes = ProcessesUnder(server);
  const std::set<int64_t> users = UsersOf(processes);
  Footprint all;
  all.counts_["descriptors"] = static_cast<int64_t>(Entries<fs::directory_iterator>(ProcOf(server) / "fd").size());
  all.counts_["processes"] = static_cast<int64_t>(processes.size());
  all.counts_["mounts"] = MountsOf(processes);
  all.counts_["control groups"] = GroupsOf(processes);
  all.counts_["temporary files"] =
      static_cast<int64_t>(Entries<fs::recursive_directory_iterator>(temporary_folder).size());
  all.counts_["slots' files"] = FilesOf(users);
  all.counts_["System V objects"] = SystemVObjectsOf(users);
  return all;
}

std::string Footprint::BeyondThatOf(const Footprint& other) const {
  std::string more;
  for (const auto& [what, count] : counts_) {
    const int64_t before = other.counts_.at(what);
    if (count > before) more += what + ": " + std::to_string(count) + ", not " + std::to_string(before) + "\n";
  }
  return more;
}

}  // namespace gild::testing
