/* SUBQUAD_API marks what libsubquad.so exports; everything else in it is hidden. For C and C++. */
#ifndef SUBQUAD_EXPORT_H_
#define SUBQUAD_EXPORT_H_

#define SUBQUAD_API __attribute__((visibility("default")))

#endif
