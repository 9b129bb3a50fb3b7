import assert from 'node:assert/strict';
import { systemClock } from '../../lib/clock.ts';
import { parseCommandLine } from '../options/options.ts';
import type { ControlledNode } from './endpoint.ts';
import { optionsEndpoint } from './documents.ts';

describe('the options document', () => {
  it('shows patterns as text and masks passwords', async () => {
    const argv = ['--etcd-username=weft', '--etcd-password=hunter2-long', '--iface-regex=^eth'];
    const commandLine = parseCommandLine(argv, {});
    assert.ok(commandLine.kind === 'run');
    const daemon = {
      options: commandLine.options,
      clock: systemClock,
    } as Partial<ControlledNode> as ControlledNode;
    const request = { query: new URLSearchParams(), body: undefined, signal: new AbortController().signal };
    const text = JSON.stringify(await optionsEndpoint.handle(daemon, request));
    assert.ok(!text.includes('hunter2'), text);
    assert.ok(text.includes('"password":"[redacted]"') && text.includes('"username":"weft"'), text);
    assert.ok(text.includes('"patterns":["^eth"]'), text);
  });
});
