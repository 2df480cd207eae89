// JSON for --json: a writer that keeps user bytes harmless, and a check of JSON text that others wrote.
//
// JsonWriter builds one line. Strings are repaired to UTF-8 (U+FFFD for what is not) and escaped; Splice puts JSON text
// in untouched. It belongs to one thread; keys and values must come in a sensible order, it does not check.
//
//   JsonWriter json;
//   json.Begin('{').Key("stdout").String(outcome.stdout()).Key("lock").Null().End('}');
//   puts(json.text().c_str());
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace gild::cli {

class JsonWriter {
 public:
  JsonWriter& Begin(char bracket);  // '{' or '['
  JsonWriter& End(char bracket);    // '}' or ']'
  JsonWriter& Key(absl::string_view name);
  JsonWriter& String(absl::string_view bytes);
  JsonWriter& Base64(absl::string_view bytes);
  // Not a number and infinities become null: JSON has no words for them.
  JsonWriter& Number(double value);
  JsonWriter& Integer(int64_t value);
  JsonWriter& Unsigned(uint64_t value);
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  // One JSON text, kept as it is but for line breaks between its tokens. REQUIRES: IsJson(text)
  JsonWriter& Splice(absl::string_view text);

  const std::string& text() const { return text_; }

 private:
  void BeforeValue();

  std::string text_;
  bool first_ = true;
};

// Bytes as text: every maximal piece that is not UTF-8 becomes one U+FFFD, as Python's errors="replace" does.
std::string RepairUtf8(absl::string_view bytes);
bool IsUtf8(absl::string_view bytes);

// One JSON text as Python's json.loads takes it, so with NaN, Infinity and -Infinity. Nested 1000 deep at most.
bool IsJson(absl::string_view text);

}  // namespace gild::cli
