/* An endless stream of bytes that a seed determines, readable from any offset. */
#ifndef WEFT_TOOLS_STREAM_H
#define WEFT_TOOLS_STREAM_H

#include <stddef.h>
#include <stdint.h>

void stream_fill(uint64_t seed, uint64_t offset, uint8_t *out, size_t length);
/* Index of the first byte of `data` that is not the stream's at `offset`; `length` if all are. */
size_t stream_compare(uint64_t seed, uint64_t offset, const uint8_t *data, size_t length);

#endif
