// The network config as a bug report has it: the document and its history, without secrets.
import { redactConfig } from '../../allocator/config/redact-config.ts';
import type { ControlClient } from './control-client.ts';
import { openConfigStore } from './open-config-store.ts';

export interface ConfigParts {
  readonly document: string;
  readonly history: string;
}

/** @throws RegistryError without etcd; UsageError where etcd is not the registry. */
export async function readConfigParts(client: ControlClient): Promise<ConfigParts> {
  const { store } = await openConfigStore({ socket: client.path });
  try {
    const [{ config }, versions] = await Promise.all([store.read(), store.history()]);
    const history = versions.map(({ text, ...version }) => ({ ...version, text: redactConfig(text) }));
    const document = config === undefined ? 'no document\n' : `${redactConfig(config.text)}\n`;
    return { document, history: `${JSON.stringify(history, null, 2)}\n` };
  } finally {
    store.close();
  }
}
