#include "html_page.h"

#include <fmt/format.h>

#include <ctime>

#include "html_style.h"
#include "html_table.h"
#include "markup.h"
#include "subquad/info.h"

namespace subquad::cli {
namespace {

// "2026-11-28 16:40 UTC".
std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  char text[32];
  gmtime_r(&now, &parts);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts)};
}

}  // namespace

std::string html_page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
      "<meta name='color-scheme' content='light dark'>\n<title>{}</title>\n"
      "<style>\n{}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
      title, html_style, body);
}

std::string html_code(const std::string& text) { return "<code>" + breakable(text) + "</code>"; }

std::string html_fact(const char* name, const std::string& text) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, escaped(text));
}

std::string machine_facts(const MachineRecord& machine) {
  return html_fact("Date", now_text()) + html_fact("subquad", build_info().version) +
         html_fact("Processor",
                   machine.processor.empty() ? "not stated by the system" : machine.processor) +
         html_fact("Instruction set", fmt::format("{}, {} thread{}", machine.isa, machine.threads,
                                                  machine.threads == 1 ? "" : "s"));
}

}  // namespace subquad::cli
