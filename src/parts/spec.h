// The spec string: `name(key=value,..)` parts joined by '+', and typed access to their arguments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace subquad {

struct SpecArgument {
  std::string key;  // empty for a positional argument
  std::string value;
};

// What a part says of one of its parameters.
struct SpecParameter {
  std::string name, fallback, range;  // "block", "256", "1 to 2^20"
};

struct SpecPart {
  std::string name;
  std::vector<SpecArgument> arguments;
  // Where SpecReader puts what it is asked for, in order: how the registry describes a part.
  std::vector<SpecParameter>* described = nullptr;
};

// Grammar (spaces are ignored between tokens):
//   spec  := part ('+' part)*          part := name [ '(' [ arg (',' arg)* ] ')' ]
//   arg   := [ key '=' ] value         name, key := [a-z][a-z0-9_]*
//   value := [A-Za-z0-9_.+-]+          ('+' only right after 'e' or 'E', as in 1e+3)
// Positional arguments come before named ones. At most 4,096 characters, 64 parts.
// Throws Error (invalid_argument) with one line that shows the spec and the position at fault.
std::vector<SpecPart> parse_spec(std::string_view text);

// A spec as error messages show it: on one line, its beginning when it is long.
std::string shown_spec(std::string_view text);

// The canonical text of a part: name(key=value,..), without spaces; the name alone when there are
// no arguments. parse_spec(to_text(part)) gives the part back.
std::string to_text(const SpecPart& part);

// Reads the arguments of one part. Declare every parameter in order (the order is that of
// positional arguments), then call finish(): it throws for arguments nobody asked for, naming the
// part, the argument and the known parameters.
class SpecReader {
 public:
  explicit SpecReader(const SpecPart& part);
  // `fallback` when absent. Error if not a whole number or outside [low, high].
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                       std::int64_t high);
  std::int64_t required_integer(std::string_view key, std::int64_t low, std::int64_t high);
  double number(std::string_view key, double fallback, double low, double high);  // finite
  bool boolean(std::string_view key, bool fallback);  // true|false|1|0|yes|no|on|off
  // Index into `choices`.
  std::size_t choice(std::string_view key, std::size_t fallback,
                     const std::vector<std::string>& choices);
  // A part whose parameters depend on each other reads them all when it is being described.
  bool describing() const { return part_.described != nullptr; }
  void finish() const;

 private:
  const std::string* take(std::string_view key);
  std::size_t take_choice(std::string_view key, std::size_t fallback,
                          const std::vector<std::string>& choices);
  void describe(std::string_view key, std::string fallback, std::string range);

  const SpecPart& part_;
  std::vector<std::string> known_;
  std::vector<bool> used_;
  std::size_t declared_ = 0;
};

}  // namespace subquad
