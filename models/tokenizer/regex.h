// Regular expressions over UTF-8 with Unicode's properties (libpcre2).
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace subquad::tokenizer {

class Regex {
 public:
  // Error (invalid_argument) that begins with `where` where the pattern is none. \s is Unicode's
  // White_Space, \d and \w are Unicode's too.
  Regex(const std::string& pattern, const std::string& where);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  struct Match {
    std::size_t begin = 0, end = 0;  // end > begin; both 0 for none
  };

  // Room for a search. One thread at a time.
  class Scratch {
   public:
    Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch();

   private:
    friend class Regex;
    void* data_;
  };

  // The first match at `from` or later that is not empty. `text` is UTF-8, of which nothing before
  // its beginning or behind its end is seen. Error (invalid_argument) where the search needs more
  // steps than pcre2 allows.
  Match find(std::string_view text, std::size_t from, Scratch& scratch) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace subquad::tokenizer
