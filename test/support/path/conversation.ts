// TCP servers in a lab that send a client its visible address and then echo its lines; and clients.
import type { Lab } from '../../../lab/lab.ts';
import { waitFor } from '../../../lab/wait.ts';
import { LabScript } from '../../../lab/traffic.ts';

const PORT = 7000;

/** Starts a server of both families in `netns`; it ends with the lab. */
export async function startEcho(lab: Lab, netns: string): Promise<void> {
  const serve = `SYSTEM:'echo seen $SOCAT_PEERADDR; cat'`;
  const listen = ['TCP4-LISTEN', 'TCP6-LISTEN'].map(
    (line) => `socat ${line}:${PORT},fork,reuseaddr${line === 'TCP6-LISTEN' ? ',ipv6only' : ''} ${serve} &`,
  );
  await lab.check(netns, ['sh', '-c', `{ ${listen.join(' ')} } </dev/null >/dev/null 2>&1`]);
  const isListening = async (): Promise<boolean> =>
    (await lab.check(netns, ['ss', '-Htln', `sport = :${PORT}`])).trim().split('\n').length === 2;
  await waitFor(`the servers in ${netns}`, isListening, 60_000);
}

/** Which address the server at `address` sees of `from`; empty if it does not answer within ten seconds. */
export async function addressSeen(lab: Lab, from: string, address: string, bind = ''): Promise<string> {
  const { stdout } = await lab.exec(from, ['socat', '-T', '10', '-t', '10', '-', connect(address, bind)]);
  return unbracket(/^seen (\S+)/.exec(stdout)?.[1] ?? '');
}

/** socat writes IPv6 in brackets and without leaving zeros out. */
function unbracket(address: string): string {
  return address.startsWith('[') ? new URL(`http://${address}`).hostname.slice(1, -1) : address;
}

function connect(address: string, bind = ''): string {
  const host = address.includes(':') ? `TCP6:[${address}]` : `TCP4:${address}`;
  return `${host}:${PORT},connect-timeout=10${bind === '' ? '' : `,bind=${bind}`}`;
}

export interface Conversation {
  /** Waits until a line sent from now on has come back over the same connection. */
  goesOn(): Promise<void>;
  stop(): Promise<void>;
}

/** Opens one connection from `from` and keeps talking on it, ten times a second. */
export async function startConversation(lab: Lab, from: string, address: string): Promise<Conversation> {
  const talk = `while :; do echo line; sleep 0.1; done | socat - ${connect(address)}; echo ended`;
  const client = new LabScript(lab, from, talk);
  const heard = (): number => client.output.split('\n').length;
  const goesOn = async (): Promise<void> => {
    const before = heard();
    await waitFor('the conversation to go on', () => heard() > before + 3, 60_000);
    if (client.output.includes('ended')) throw new Error('the connection broke');
  };
  await goesOn();
  return { goesOn, stop: async () => void (await client.end()) };
}

/** Opens one new connection after the other from `from` until stopped; counts answered and lost ones. */
export async function startCallers(
  lab: Lab,
  from: string,
  address: string,
): Promise<{ stop(): Promise<{ readonly answered: number; readonly lost: number }> }> {
  const script = `while :; do socat -T 10 -t 10 - ${connect(address)} </dev/null 2>/dev/null | grep -q seen && echo answered || echo lost; done`;
  const callers = new LabScript(lab, from, script);
  await waitFor('the first call to be answered', () => callers.output.includes('answered'), 60_000);
  return {
    stop: async () => {
      const output = await callers.end();
      // The call that was cut short counts for nothing.
      const lines = output.split('\n').slice(0, -2);
      return {
        answered: lines.filter((line) => line === 'answered').length,
        lost: lines.filter((line) => line === 'lost').length,
      };
    },
  };
}
