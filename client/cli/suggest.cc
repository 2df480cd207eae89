#include "client/cli/suggest.h"

#include <algorithm>
#include <cstddef>

namespace gild::cli {
namespace {

// Optimal string alignment distance.
size_t Edits(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

size_t LettersOf(const std::string& word) { return word.size() - std::min(word.find_first_not_of('-'), word.size()); }

}  // namespace

std::string Suggest(const std::string& word, const std::vector<std::string>& known) {
  if (word.size() > 64) return "";
  std::string best;
  size_t best_edits = std::min<size_t>(2, LettersOf(word) / 2) + 1;
  for (const std::string& candidate : known) {
    const size_t edits = Edits(word, candidate);
    if (edits < best_edits) {
      best = candidate;
      best_edits = edits;
    }
  }
  // An unfinished word: `--queue` for --queue-timeout.
  if (best.empty() && LettersOf(word) >= 3) {
    for (const std::string& candidate : known) {
      if (candidate.compare(0, word.size(), word) == 0) return candidate;
    }
  }
  return best;
}

}  // namespace gild::cli
