#include "client/cli/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace gild::cli {

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::Row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

std::string Table::Text(const std::function<std::string(const std::string&)>& paint_header) const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = CharacterCount(columns_[i].title);
    for (const auto& row : rows_) {
      if (i < row.size()) width = std::max(width, CharacterCount(row[i]));
    }
    widths.push_back(width);
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size() && i < columns_.size(); ++i) {
      const std::string padding(widths[i] - CharacterCount(cells[i]), ' ');
      absl::StrAppend(&text, i > 0 ? "  " : "", columns_[i].align == Align::kRight ? padding : "", cells[i],
                      columns_[i].align == Align::kLeft ? padding : "");
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::string text = line(titles);
  if (paint_header) text = paint_header(text);
  text += '\n';
  for (const auto& row : rows_) absl::StrAppend(&text, line(row), "\n");
  return text;
}

size_t CharacterCount(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::string Headline(const std::string& left, const std::string& right) {
  const size_t used = CharacterCount(left) + CharacterCount(right);
  return absl::StrCat(left, std::string(used + 2 < kReportColumns ? kReportColumns - used : 2, ' '), right);
}

std::string Wrap(const std::string& text, size_t columns) {
  std::string wrapped;
  size_t column = 0;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const size_t length = CharacterCount(std::string(word));
    if (column > 0 && column + 1 + length > columns) {
      wrapped += '\n';
      column = 0;
    }
    absl::StrAppend(&wrapped, column > 0 ? " " : "", word);
    column += (column > 0 ? 1 : 0) + length;
  }
  return wrapped;
}

}  // namespace gild::cli
