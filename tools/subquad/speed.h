// Is a method faster than exact attention, or is that the noise of the run?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace subquad::cli {

// Where the rounds of one contender lie: from the fastest to the slowest; from 8 rounds on the
// middle half of them, so that a disturbed round does not count.
struct Spread {
  double low = 0, high = 0;
};
// None for a single round.
std::optional<Spread> spread_of(std::vector<double> seconds);

// exact_code: the method chose exact attention's own code, so that any difference is noise.
enum class Speed : std::uint8_t { exact_code, faster, alike, slower };
// exact_code | faster | alike | slower.
const char* name_of(Speed speed);

// Whether Report::path says that every head was exact attention's.
bool runs_exact_code(const std::string& path);

// faster, slower: the spreads of both lie apart, or, where a single round was timed, the times by
// a factor of 1.5.
Speed compare_speed(const std::string& path, const std::vector<double>& seconds,
                    const std::vector<double>& exact_seconds);

// In words, for those who read the results.
extern const char* const speed_rule;

}  // namespace subquad::cli
