// A light part in the optional role of an adviser: what it knows of its own cost and error.
#pragma once

namespace subquad {

// Sums over all rows of a head, estimated: of |error of the output|_2^2 and of |output|_2^2.
struct ErrorSquares {
  double error = 0, out = 0;
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
// shared_error): at first that of its cheapest choice. After decide() the choice stands.
class SharedError {
 public:
  virtual ~SharedError() = default;
  // The squares that the choice in force leaves; no error where the head will run exactly.
  virtual ErrorSquares expected() const = 0;
  // Takes the next choice that may leave a squared error of `square`, at more cost; exact where
  // none that costs less can.
  virtual void lower_error(double square) = 0;
  virtual void decide() = 0;
};

}  // namespace subquad
