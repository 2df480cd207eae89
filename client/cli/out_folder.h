// OutFolder: where `gild run` writes the files that a task brought back. Their names come from the server, so they are
// suspect: nothing is written outside of the folder, and no symbolic link in it is followed or written through.
//
// Main thread only.
//
//   OutFolder folder;
//   std::string why = folder.Open("results");
//   if (why.empty()) why = folder.Write("out/a.png", content);
#pragma once

#include <string>

namespace gild::cli {

class OutFolder {
 public:
  OutFolder() = default;
  ~OutFolder();
  OutFolder(const OutFolder&) = delete;
  OutFolder& operator=(const OutFolder&) = delete;

  // Made where it is missing, but not what is above it. Both return why it could not be done; empty: it was.
  std::string Open(const std::string& path);
  // Folders in the name are made. A file of that name is replaced, at once. REQUIRES: it is open.
  std::string Write(const std::string& name, const std::string& content);

 private:
  int folder_ = -1;
};

}  // namespace gild::cli
