// Table: plain text columns, two spaces apart, a header row, no borders. Widths count characters, not bytes.
//
// A plain value, for one thread. A row with fewer cells than the header is fine.
//
//   Table table({{"LANE"}, {"QUEUED", Align::kRight}});
//   table.Row({"I/O", "3"});
//   fputs(table.Text().c_str(), stdout);
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace gild::cli {

enum class Align { kLeft, kRight };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);
  void Row(std::vector<std::string> cells);
  // An empty line between groups.
  void Gap() { rows_.emplace_back(); }
  // `paint_header` may add colour codes; the layout does not see them.
  std::string Text(const std::function<std::string(const std::string&)>& paint_header = nullptr) const;

 private:
  const std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Characters of UTF-8 text. Wide and combining characters count as one: none are used here.
size_t CharacterCount(const std::string& text);

// What a report fits.
inline constexpr size_t kReportColumns = 80;

// A report's first line: one text at its left end, one at its right.
std::string Headline(const std::string& left, const std::string& right);

// Breaks at spaces, so that no line is longer than `columns` where its words allow.
std::string Wrap(const std::string& text, size_t columns);

}  // namespace gild::cli
