// A light part in the optional role of an adviser: what it knows of its own cost and error.
#pragma once

#include <cstdint>

namespace subquad {

// Sums over all rows of a head, estimated: of |error of the output|_2^2 and of |output|_2^2.
// variance: of the first sum, where it is known from a sample.
struct ErrorSquares {
  double error = 0, out = 0, variance = 0;
};

class Budget {
 public:
  virtual ~Budget() = default;
  // True: the part advises against itself; the head runs exactly. Asked once all choices are made.
  virtual bool wants_exact() const = 0;
  // Zeros: unknown.
  virtual ErrorSquares squares() const = 0;
};

// A head's part of an error that all heads of a sequence may have together (LightRule::
// shared_error): at first that of its cheapest choices. It may choose in stages, each for some rows
// and from what stands before them; the heads of a sequence go through a stage together. After
// decide() the choices stand.
class SharedError {
 public:
  virtual ~SharedError() = default;
  virtual std::int64_t stages() const { return 1; }
  // The squares that the choice in force leaves; none where the head will run exactly.
  virtual ErrorSquares expected(std::int64_t stage) const = 0;
  // Takes the next choice that may leave a squared error of `square`, at more cost; exact where
  // none that costs less can.
  virtual void lower_error(std::int64_t stage, double square) = 0;
  virtual void decide() = 0;
};

}  // namespace subquad
