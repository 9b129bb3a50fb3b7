// `weft wireguard`: changes the keys of all hosts. Connects to etcd without a daemon.
import { applyEdits, modify } from 'jsonc-parser';
import { PUT_EXAMPLE_CONFIG } from '../../allocator/config/example-config.ts';
import { parseSeconds } from '../args/config-args.ts';
import { checkConfig, type ParsedConfigFile } from '../client/config-source.ts';
import { writeConfig } from '../client/config-write.ts';
import { SOCKET_OPTION } from '../client/control-client.ts';
import { ETCD_OPTIONS } from '../client/etcd-options.ts';
import { openConfigStore } from '../client/open-config-store.ts';
import { kubernetesConfigPath, notInEtcd } from '../client/kubernetes-config.ts';
import { defineCommand } from '../command.ts';
import { EXIT_FINDINGS } from '../exit-codes.ts';
import { oneLine } from '../output.ts';
import { UsageError } from '../usage-error.ts';

export const wireguardCommand = defineCommand({
  name: 'wireguard',
  synopsis: ['rotate [--yes] [--reason TEXT] [--no-wait] [--timeout SECONDS] [etcd options]'],
  about:
    'Gives every host another key, without packet loss: adds one to KeyEpoch of the network config, and waits until each host has\n' +
    'made a key, published it, and is answered by its peers. RotateAfter of the network config does the same by time.',
  verbs: { rotate: 'give every host another key' },
  options: {
    yes: { type: 'boolean', short: 'y', help: 'skip the confirmation' },
    reason: { type: 'string', value: 'TEXT', help: 'reason for the history' },
    'no-wait': { type: 'boolean', help: 'do not wait for the hosts' },
    timeout: { type: 'string', value: 'SECONDS', help: 'limit of the wait for the hosts (default: 60)' },
    socket: SOCKET_OPTION,
    ...ETCD_OPTIONS,
  },
  examples: [['weft wireguard rotate', 'give every host another key']],
  exitCodes: { [EXIT_FINDINGS]: 'written, but not all hosts have followed' },
  maxArgs: 1,
  run: async (values, [verb]) => {
    if (verb !== 'rotate')
      throw new UsageError(
        `weft wireguard needs the verb rotate${verb === undefined ? '' : `, got ${JSON.stringify(verb)}`}`,
      );
    const path = await kubernetesConfigPath(values);
    if (path !== undefined) throw notInEtcd('weft wireguard rotate', path);
    const timeoutMs = parseSeconds(values.timeout ?? '60') * 1000;
    const { store, key, addresses: etcdAddresses } = await openConfigStore(values);
    try {
      const snapshot = await store.read();
      if (snapshot.config === undefined)
        throw new UsageError(
          `There is no network config at ${key}: write one, for example: ${PUT_EXAMPLE_CONFIG}`,
        );
      return await writeConfig(store, snapshot, withNextEpoch(snapshot.config.text), {
        yes: values.yes,
        renumber: false,
        reason: values.reason ?? 'weft wireguard rotate',
        isWaiting: !values['no-wait'],
        timeoutMs,
        etcdAddresses,
      });
    } finally {
      store.close();
    }
  },
});

/** The document with another generation of keys, all else as it is written. @throws UsageError */
export function withNextEpoch(text: string): ParsedConfigFile {
  const present = parsed(text);
  const { backend } = present.config;
  if (backend.type !== 'wireguard')
    throw new UsageError(
      `The backend is ${backend.type}, which has no keys: weft config edit, "Backend": {"Type": "wireguard"}`,
    );
  const document = JSON.parse(present.text) as Readonly<Record<string, unknown>>;
  const name = nameIn(document, 'Backend');
  const field = nameIn(document[name] as Readonly<Record<string, unknown>>, 'KeyEpoch');
  const edits = modify(present.text, [name, field], backend.keyEpoch + 1, {
    formattingOptions: { insertSpaces: true, tabSize: 2, keepLines: true },
  });
  return parsed(applyEdits(present.text, edits));
}

/** As the document spells the field: names match in any letter case, and the last one counts. */
function nameIn(object: Readonly<Record<string, unknown>>, field: string): string {
  return Object.keys(object).findLast((key) => key.toLowerCase() === field.toLowerCase()) ?? field;
}

function parsed(text: string): ParsedConfigFile {
  const result = checkConfig(text);
  if (result.ok) return result;
  throw new UsageError(
    `The document is no valid network config; nothing was written\n${result.errors.map(oneLine).join('\n')}`,
  );
}
