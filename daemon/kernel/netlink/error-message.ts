// NLMSG_ERROR and NLMSG_DONE: how the kernel ends the answer to a request (RFC 3549 §2.3.2.2;
// extended acks since 4.12).
import { NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSGERR_ATTR_MSG } from './constants.ts';
import { align, AttributeTable, HEADER_BYTES } from './message.ts';
import { DONE, kernelRejection, type Outcome } from './outcome.ts';

const ERROR_BYTES = 4;

const attributes = new AttributeTable(NLMSGERR_ATTR_MSG);

/**
 * Decodes the message from `start` (its header) to `end`. NLMSG_ERROR has: error i32, the request's
 * header, the request's payload unless NLM_F_CAPPED, attributes if NLM_F_ACK_TLVS. NLMSG_DONE has
 * the error and the attributes.
 */
export function decodeError(buffer: Buffer, start: number, end: number): Outcome {
  const at = start + HEADER_BYTES;
  const code = end >= at + ERROR_BYTES ? buffer.readInt32LE(at) : 0;
  if (code >= 0) return DONE;
  const flags = buffer.readUInt16LE(start + 6);
  if ((flags & NLM_F_ACK_TLVS) === 0) return kernelRejection(code, '');
  attributes.read(buffer, attributesOffset(buffer, start, flags), end);
  return kernelRejection(code, attributes.text(NLMSGERR_ATTR_MSG));
}

function attributesOffset(buffer: Buffer, start: number, flags: number): number {
  const at = start + HEADER_BYTES + ERROR_BYTES;
  if (buffer.readUInt16LE(start + 4) === NLMSG_DONE) return at;
  return (flags & NLM_F_CAPPED) === 0 ? at + align(buffer.readUInt32LE(at)) : at + HEADER_BYTES;
}
