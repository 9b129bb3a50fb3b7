import assert from 'node:assert/strict';
import { parseCommandLine } from '../options/options.ts';
import type { DaemonView } from '../view/node-view.ts';
import { optionsEndpoint } from './options.ts';

describe('the options on the control socket', () => {
  it('have patterns as text and no password', async () => {
    const words = ['--etcd-username=weft', '--etcd-password=hunter2-long', '--iface-regex=^eth'];
    const commandLine = parseCommandLine(words, {});
    assert.ok(commandLine.kind === 'run');
    const daemon = { options: commandLine.options } as DaemonView;
    const request = { query: new URLSearchParams(), body: undefined, signal: new AbortController().signal };
    const text = JSON.stringify(await optionsEndpoint.handle(daemon, request));
    assert.ok(!text.includes('hunter2'), text);
    assert.ok(text.includes('"password":"[redacted]"') && text.includes('"username":"weft"'), text);
    assert.ok(text.includes('"patterns":["^eth"]'), text);
  });
});
