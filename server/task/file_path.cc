#include "server/task/file_path.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/utf8.h"
#include "server/task/capacity.h"

namespace gild {

std::string ProblemOfPath(absl::string_view path) {
  if (path.empty()) return "is empty";
  if (path.size() > static_cast<size_t>(kFilePathBytesMax)) {
    return absl::StrCat("is longer than ", kFilePathBytesMax, " bytes");
  }
  if (path.front() == '/') return "is not relative";
  if (absl::StrContains(path, '\0')) return "has a NUL in it";
  if (!IsUtf8(path)) return "is not UTF-8";
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty()) return "has an empty part";
    if (part == "." || part == "..") return absl::StrCat("has a part `", part, "`");
    if (part.size() > static_cast<size_t>(kFilePartBytesMax)) {
      return absl::StrCat("has a part longer than ", kFilePartBytesMax, " bytes");
    }
  }
  return "";
}

std::optional<PathClash> ClashOf(const std::vector<absl::string_view>& paths) {
  std::vector<size_t> order(paths.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  // With `/` before all else, what is in a folder follows the folder's own name at once.
  const auto before = [&paths](size_t a, size_t b) {
    const auto lower = [](char x, char y) {
      return (x == '/' ? 0 : static_cast<unsigned char>(x) + 1) < (y == '/' ? 0 : static_cast<unsigned char>(y) + 1);
    };
    if (paths[a] == paths[b]) return a < b;
    return std::lexicographical_compare(paths[a].begin(), paths[a].end(), paths[b].begin(), paths[b].end(), lower);
  };
  std::sort(order.begin(), order.end(), before);
  for (size_t i = 1; i < order.size(); ++i) {
    const absl::string_view one = paths[order[i - 1]];
    const absl::string_view next = paths[order[i]];
    if (next == one) return PathClash{order[i], "is there twice"};
    if (absl::StartsWith(next, one) && next[one.size()] == '/') {
      return PathClash{order[i], absl::StrCat("is in `", one, "`, which is a file, too")};
    }
  }
  return std::nullopt;
}

}  // namespace gild
