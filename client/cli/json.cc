#include "client/cli/json.h"

#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace gild::cli {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

bool In(unsigned char byte, unsigned low, unsigned high) { return low <= byte && byte <= high; }

// Length of the character that `bytes` begins with; 0 when it is none, with the length of the bad piece in *bad.
size_t Utf8Length(absl::string_view bytes, size_t* bad) {
  const auto at = [bytes](size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u; };
  const unsigned lead = at(0);
  *bad = 1;
  if (lead < 0x80) return 1;
  size_t length = 0;
  // The second byte's range shuts out overlong forms, surrogates and what lies beyond U+10FFFF.
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (In(lead, 0xC2, 0xDF)) {
    length = 2;
  } else if (In(lead, 0xE0, 0xEF)) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (In(lead, 0xF0, 0xF4)) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if (i >= bytes.size() || !In(at(i), low, high)) return 0;
    *bad = i + 1;
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

// Walks one JSON text. Nesting is kept in `open_`, not on the call stack: the text may come from a hostile task.
class JsonWalk {
 public:
  explicit JsonWalk(absl::string_view text) : text_(text) {}

  bool Whole() {
    for (;;) {
      SkipSpace();
      if (Take("{") || Take("[")) {
        open_ += text_[at_ - 1];
        if (open_.size() > 1000) return false;
        SkipSpace();
        if (Peek() == (open_.back() == '{' ? '}' : ']')) {
          if (!CloseAll()) return false;
          if (open_.empty()) return AtEnd();
          continue;
        }
        if (open_.back() == '{' && !MemberName()) return false;
        continue;
      }
      if (!Scalar() || !CloseAll()) return false;
      if (open_.empty()) return AtEnd();
    }
  }

 private:
  // After a value, or at the bracket of an empty container: closes what ends here, and steps to the next value.
  bool CloseAll() {
    while (!open_.empty()) {
      SkipSpace();
      if (Take(open_.back() == '{' ? "}" : "]")) {
        open_.pop_back();
        continue;
      }
      if (!Take(",")) return false;
      return open_.back() == '[' || MemberName();
    }
    return true;
  }
  bool MemberName() {
    SkipSpace();
    if (!StringToken()) return false;
    SkipSpace();
    return Take(":");
  }
  bool Scalar() {
    if (Peek() == '"') return StringToken();
    for (const char* word : {"true", "false", "null", "NaN", "Infinity", "-Infinity"}) {
      if (Take(word)) return true;
    }
    return NumberToken();
  }
  bool NumberToken() {
    Take("-");
    if (!Take("0") && !Digits()) return false;
    if (Take(".") && !Digits()) return false;
    if (Take("e") || Take("E")) {
      if (!Take("+")) Take("-");
      return Digits();
    }
    return true;
  }
  bool Digits() {
    const size_t begin = at_;
    while (Peek() >= '0' && Peek() <= '9') ++at_;
    return at_ > begin;
  }
  bool StringToken() {
    if (!Take("\"")) return false;
    while (at_ < text_.size()) {
      const unsigned char c = text_[at_++];
      if (c == '"') return true;
      if (c < 0x20) return false;
      if (c != '\\') continue;
      const char escaped = Peek();
      ++at_;
      if (escaped == 'u') {
        for (int i = 0; i < 4; ++i) {
          if (!isxdigit(static_cast<unsigned char>(Peek()))) return false;
          ++at_;
        }
      } else if (absl::string_view("\"\\/bfnrt").find(escaped) == absl::string_view::npos || escaped == '\0') {
        return false;
      }
    }
    return false;
  }
  void SkipSpace() {
    while (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' || Peek() == '\r') ++at_;
  }
  bool AtEnd() {
    SkipSpace();
    return at_ == text_.size();
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(absl::string_view word) {
    if (text_.substr(std::min(at_, text_.size()), word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  const absl::string_view text_;
  size_t at_ = 0;
  std::string open_;
};

}  // namespace

void JsonWriter::BeforeValue() {
  if (!first_) text_ += ',';
  first_ = false;
}

JsonWriter& JsonWriter::Begin(char bracket) {
  BeforeValue();
  text_ += bracket;
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::End(char bracket) {
  text_ += bracket;
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::Key(absl::string_view name) {
  String(name);
  text_ += ':';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::String(absl::string_view bytes) {
  BeforeValue();
  text_ += '"';
  for (const char c : RepairUtf8(bytes)) {
    switch (c) {
      case '"': text_ += "\\\""; break;
      case '\\': text_ += "\\\\"; break;
      case '\n': text_ += "\\n"; break;
      case '\r': text_ += "\\r"; break;
      case '\t': text_ += "\\t"; break;
      default:
        // DEL and the rest of the control characters would reach a terminal as commands.
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          absl::StrAppendFormat(&text_, "\\u%04x", static_cast<unsigned char>(c));
        } else {
          text_ += c;
        }
    }
  }
  text_ += '"';
  return *this;
}

JsonWriter& JsonWriter::Base64(absl::string_view bytes) {
  BeforeValue();
  absl::StrAppend(&text_, "\"", absl::Base64Escape(bytes), "\"");
  return *this;
}

JsonWriter& JsonWriter::Number(double value) {
  if (!std::isfinite(value)) return Null();
  BeforeValue();
  absl::StrAppendFormat(&text_, "%.9g", value);
  return *this;
}

JsonWriter& JsonWriter::Integer(int64_t value) {
  BeforeValue();
  absl::StrAppend(&text_, value);
  return *this;
}

JsonWriter& JsonWriter::Unsigned(uint64_t value) {
  BeforeValue();
  absl::StrAppend(&text_, value);
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) {
  BeforeValue();
  text_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::Null() {
  BeforeValue();
  text_ += "null";
  return *this;
}

JsonWriter& JsonWriter::Splice(absl::string_view text) {
  BeforeValue();
  // Raw line breaks can only stand between tokens, where a space says the same.
  for (const char c : text) text_ += c == '\n' || c == '\r' ? ' ' : c;
  return *this;
}

std::string RepairUtf8(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    size_t bad = 0;
    const size_t length = Utf8Length(bytes, &bad);
    if (length > 0) {
      text.append(bytes.data(), length);
    } else {
      text += kReplacement;
    }
    bytes.remove_prefix(length > 0 ? length : bad);
  }
  return text;
}

bool IsUtf8(absl::string_view bytes) {
  while (!bytes.empty()) {
    size_t bad = 0;
    const size_t length = Utf8Length(bytes, &bad);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

bool IsJson(absl::string_view text) { return IsUtf8(text) && JsonWalk(text).Whole(); }

}  // namespace gild::cli
