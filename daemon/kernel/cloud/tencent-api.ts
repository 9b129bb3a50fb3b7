// Calls of Tencent Cloud's VPC API, and of the metadata service of its machines. Nothing is kept.
import { CONTENT_TYPE, tc3Authorization } from './tc3-signature.ts';

/** Part of `fetch` that is used; tests answer instead. */
export type Fetch = (
  url: string,
  init: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly signal: AbortSignal;
  },
) => Promise<{ readonly status: number; text(): Promise<string> }>;

export interface TencentCredentials {
  readonly secretId: string;
  readonly secretKey: string;
}

/** Where this machine is. */
export interface CloudPlace {
  readonly region: string;
  readonly vpcId: string;
}

/** A route of a route table, as the API has it. */
export interface CloudRoute {
  readonly RouteId?: number;
  readonly DestinationCidrBlock: string;
  readonly GatewayType: string;
  readonly GatewayId: string;
  readonly Enabled?: boolean;
  readonly RouteType?: string;
}

export interface CloudRouteTable {
  readonly RouteTableId: string;
  readonly RouteSet: readonly CloudRoute[];
}

const HOST = 'vpc.tencentcloudapi.com';
const VERSION = '2017-03-12';
const METADATA = 'http://metadata.tencentyun.com/latest/meta-data';
const TIMEOUT_MS = 10_000;
const MAX_SHOWN = 200;

/** @throws Error if the metadata service does not answer: this is no machine of that cloud. */
export async function findPlace(fetch: Fetch): Promise<CloudPlace> {
  const read = async (path: string): Promise<string> => {
    const answer = await fetch(`${METADATA}/${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = (await answer.text()).trim();
    if (answer.status === 200 && text !== '') return text;
    throw new Error(`${METADATA}/${path} answers ${answer.status}: ${text.slice(0, MAX_SHOWN)}`);
  };
  const region = await read('placement/region');
  const mac = await read('mac');
  return { region, vpcId: await read(`network/interfaces/macs/${mac}/vpc-id`) };
}

/**
 * Calls `action` with `parameters`; resolves with `Response` of the answer.
 * @throws Error with code and text of the API.
 */
export async function callTencent<Response>(
  fetch: Fetch,
  { secretId, secretKey }: TencentCredentials,
  {
    action,
    region,
    parameters,
  }: { readonly action: string; readonly region: string; readonly parameters: object },
): Promise<Response> {
  const payload = JSON.stringify(parameters);
  const timestampSec = Math.floor(Date.now() / 1000);
  const request = { host: HOST, service: 'vpc', payload, timestampSec };
  const answer = await fetch(`https://${HOST}/`, {
    method: 'POST',
    body: payload,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      Authorization: tc3Authorization(request, secretId, secretKey),
      'Content-Type': CONTENT_TYPE,
      'X-TC-Action': action,
      'X-TC-Region': region,
      'X-TC-Timestamp': String(timestampSec),
      'X-TC-Version': VERSION,
    },
  });
  const text = await answer.text();
  const response = parseResponse(text);
  if (response === undefined)
    throw new Error(`${action} is answered with ${answer.status}: ${text.slice(0, MAX_SHOWN)}`);
  const error = response['Error'] as { readonly Code: string; readonly Message: string } | undefined;
  if (error !== undefined) throw new Error(`${action} is rejected: ${error.Code}: ${error.Message}`);
  return response as Response;
}

function parseResponse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return (JSON.parse(text) as { readonly Response?: Record<string, unknown> }).Response;
  } catch {
    return undefined;
  }
}
