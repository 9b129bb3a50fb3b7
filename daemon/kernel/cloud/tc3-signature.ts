// Signature of a request to Tencent Cloud's API, version 3 (TC3-HMAC-SHA256). Pure.
import { createHash, createHmac } from 'node:crypto';

export interface SignedRequest {
  readonly host: string;
  /** First label of the host: `vpc`. */
  readonly service: string;
  readonly payload: string;
  readonly timestampSec: number;
}

export const CONTENT_TYPE = 'application/json; charset=utf-8';

/** The header `Authorization` of a POST that signs content type, host and payload. */
export function tc3Authorization(
  { host, service, payload, timestampSec }: SignedRequest,
  secretId: string,
  secretKey: string,
): string {
  const date = new Date(timestampSec * 1000).toISOString().slice(0, 10);
  const headers = `content-type:${CONTENT_TYPE}\nhost:${host}\n`;
  const signedHeaders = 'content-type;host';
  const request = `POST\n/\n\n${headers}\n${signedHeaders}\n${digest(payload)}`;
  const scope = `${date}/${service}/tc3_request`;
  const text = `TC3-HMAC-SHA256\n${timestampSec}\n${scope}\n${digest(request)}`;
  const key = [date, service, 'tc3_request'].reduce<Buffer | string>(
    (from, part) => createHmac('sha256', from).update(part).digest(),
    `TC3${secretKey}`,
  );
  const signature = createHmac('sha256', key).update(text).digest('hex');
  return `TC3-HMAC-SHA256 Credential=${secretId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
