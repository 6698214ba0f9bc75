#include "options.h"

namespace subquad::cli {

// The parser's own delimiter would drop empty words.
std::vector<std::string> split_lists(const std::vector<std::string>& lists) {
  std::vector<std::string> words;
  for (const std::string& list : lists) {
    std::size_t begin = 0;
    for (std::size_t comma = list.find(','); comma != list.npos; comma = list.find(',', begin)) {
      words.push_back(list.substr(begin, comma - begin));
      begin = comma + 1;
    }
    words.push_back(list.substr(begin));
  }
  return words;
}

Option add_whole_list(const Command& app, const std::string& name,
                      std::vector<std::int64_t>& target, std::int64_t low, std::int64_t high,
                      const std::string& help) {
  const auto read = [&target, name, low, high](const std::vector<std::string>& lists) {
    target.clear();
    for (const std::string& word : split_lists(lists))
      target.push_back(whole_number<std::int64_t>(word, name, low, high));
  };
  return app.add_words(name, help, read).allow_extra_args(false).type_name("N[,N..]");
}

Option add_positive_list(const Command& app, const std::string& name, std::vector<double>& target,
                         const std::string& help) {
  const auto read = [&target, name](const std::vector<std::string>& lists) {
    target.clear();
    for (const std::string& word : split_lists(lists))
      target.push_back(positive_number(word, name));
  };
  return app.add_words(name, help, read).allow_extra_args(false).type_name("S[,S..]");
}

}  // namespace subquad::cli
