// Gathers the parts of a bug report: answers of the daemon, tables of the kernel, versions, the end
// of the log. A part that fails holds its error instead. Secrets are masked in every part.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRedactor } from '../../daemon/log/redact.ts';
import type { ControlClient } from './control-client.ts';

/** Programs whose output is a part, by the name of the part. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  'kernel/link.txt': ['ip', '-d', '-s', 'link'],
  'kernel/address.txt': ['ip', 'address'],
  'kernel/route.txt': ['ip', '-d', 'route', 'show', 'table', 'all'],
  'kernel/route6.txt': ['ip', '-d', '-6', 'route', 'show', 'table', 'all'],
  'kernel/rule.txt': ['ip', 'rule'],
  'kernel/neighbour.txt': ['ip', '-d', 'neighbour'],
  'kernel/fdb.txt': ['bridge', 'fdb', 'show'],
  'kernel/sockets.txt': ['ss', '-uanpm'],
  'kernel/nftables.txt': ['nft', 'list', 'ruleset'],
  'kernel/iptables.txt': ['iptables-save', '-c'],
  'kernel/ip6tables.txt': ['ip6tables-save', '-c'],
  'kernel/sysctl.txt': ['sysctl', '-a', '--pattern', String.raw`^net\.(ipv4|ipv6)\.(ip_forward|conf|neigh)`],
  'system/uname.txt': ['uname', '-a'],
  'system/modules.txt': ['lsmod'],
  'system/log.txt': ['journalctl', '--no-pager', '--lines', '2000', '--unit', 'weft', '--unit', 'flanneld'],
};

const FILES: Readonly<Record<string, string>> = {
  'kernel/devices.txt': '/proc/net/dev',
  'kernel/snmp.txt': '/proc/net/snmp',
  'system/os-release.txt': '/etc/os-release',
  'system/memory.txt': '/proc/meminfo',
};

const PROGRAM_TIMEOUT_MS = 10_000;
const MAX_PROGRAM_BYTES = 16 << 20;

/** A file of the archive. */
export interface DumpPart {
  readonly path: string;
  readonly text: string;
}

interface EndpointList {
  readonly endpoints: readonly { readonly method: string; readonly path: string }[];
}

/** All parts, in the order of their names. */
export async function gatherParts(client: ControlClient): Promise<readonly DumpPart[]> {
  // First and alone: loading the doctor and starting programs can delay an answer past its time limit.
  const answers = await requestAll(client);
  const parts = await Promise.all([
    reportOfDoctor(client),
    configParts(client),
    ...Object.entries(PROGRAMS).map(async ([path, argv]) => [{ path, text: await outputOf(argv) }]),
    ...Object.entries(FILES).map(async ([path, file]) => [{ path, text: await textOf(file) }]),
  ]);
  const masked = [...answers, ...parts.flat()].map(({ path, text }) => ({ path, text: mask(text) }));
  return masked.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The document of the network config and its history, without secrets. */
async function configParts(client: ControlClient): Promise<DumpPart[]> {
  const paths = ['registry/config.json', 'registry/config-history.json'] as const;
  try {
    const { readConfigParts } = await import('./config-parts.ts');
    const { document, history } = await readConfigParts(client);
    return [
      { path: paths[0], text: document },
      { path: paths[1], text: history },
    ];
  } catch (error) {
    return paths.map((path) => ({ path, text: `unavailable: ${(error as Error).message}\n` }));
  }
}

/** The output of `weft doctor --json`. */
async function reportOfDoctor(client: ControlClient): Promise<DumpPart[]> {
  const path = 'doctor.json';
  try {
    const { createReport } = await import('../doctor/report.ts');
    return [{ path, text: `${JSON.stringify(await createReport(client), null, 2)}\n` }];
  } catch (error) {
    return [{ path, text: `unavailable: ${(error as Error).message}\n` }];
  }
}

/** Every GET endpoint that the daemon lists, so that new ones need no change here. */
async function requestAll(client: ControlClient): Promise<DumpPart[]> {
  try {
    const { endpoints } = JSON.parse(await client.text('')) as EndpointList;
    const paths = endpoints
      .filter(({ method, path }) => method === 'GET' && path !== '/v1/route')
      .map(({ path }) => path);
    return await Promise.all(paths.map((path) => requestEndpoint(client, path)));
  } catch (error) {
    return [{ path: 'daemon/unreachable.txt', text: `${(error as Error).message}\n` }];
  }
}

async function requestEndpoint(client: ControlClient, endpoint: string): Promise<DumpPart> {
  const name = endpoint.replace(/^\/(?:v1\/)?/, '');
  const path = `daemon/${name.replaceAll('/', '-')}`;
  const query = name === 'events' ? '?last=256&follow=0' : '';
  const text = await client.textAt(`${endpoint}${query}`).catch((error: Error) => `${error.message}\n`);
  return { path: `${path}${/^[[{]/.test(text) ? '.json' : '.txt'}`, text };
}

function outputOf([program = '', ...argv]: readonly string[]): Promise<string> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
  const options = { env, timeout: PROGRAM_TIMEOUT_MS, maxBuffer: MAX_PROGRAM_BYTES };
  return new Promise((resolve) => {
    execFile(program, argv, options, (error, stdout, stderr) => {
      const failure = error === null ? '' : `# ${error.message.trim().split('\n')[0]}\n`;
      resolve(`# ${[program, ...argv].join(' ')}\n${failure}${stdout}${stderr}`);
    });
  });
}

function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: Error) => `# ${error.message}\n`);
}

const redactor = createRedactor([]);
const SECRET =
  /((?:passw(?:or)?d|secret|token|psk|private[-_ ]?key)["']?(?:\s*[=:]\s*|(?<=--[\w-]*)\s+))("[^"]*"|'[^']*'|[^\s,}]+)/gi;

/** Masks users and passwords in URLs, and values named password, secret, token, PSK or private key. */
export function mask(text: string): string {
  return redactor.text(text).replaceAll(SECRET, `$1${redactor.mask}`);
}
