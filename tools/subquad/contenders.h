// Timing of several pieces of work against each other: they take turns, so that a noisy machine
// disturbs them alike, and each is judged by its median.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "progress.h"
#include "subquad/attention.h"

namespace subquad::cli {

struct Contender {
  std::string label;
  std::function<Report()> run;
  Report report;                // of the warm-up
  std::vector<double> seconds;  // one a round
};

// A rate of the machine itself, measured in every round (for example FMA GFLOP/s).
struct Yardstick {
  std::function<double()> measure;
  std::vector<double> values;
};

double median(std::vector<double> values);

// A limit of the machine: the best of its measurements, whatever disturbed the others. NaN when
// empty.
double highest(const std::vector<double>& values);

// Runs each contender once, untimed; fills in `report`.
void warm_up(std::vector<Contender>& contenders, Progress& progress);

// `repeats` rounds; 0 chooses as many as fit in `budget_s` seconds, 3 to 31 (1 to 3 when one round
// takes more than five seconds).
void run_rounds(std::vector<Contender>& contenders, std::vector<Yardstick>& yardsticks, int repeats,
                double budget_s, Progress& progress);

}  // namespace subquad::cli
