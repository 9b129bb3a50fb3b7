import assert from 'node:assert/strict';
import { unlessAborted } from './abort.ts';

describe('unlessAborted', () => {
  it('resolves as the promise does', async () => {
    assert.equal(await unlessAborted(Promise.resolve(1), new AbortController().signal), 1);
  });

  it('rejects as the promise does', async () => {
    const failing = Promise.reject(new Error('broken'));
    await assert.rejects(unlessAborted(failing, new AbortController().signal), /broken/);
  });

  it('rejects with the reason as soon as the signal aborts', async () => {
    const controller = new AbortController();
    const pending = unlessAborted(new Promise(() => undefined), controller.signal);
    controller.abort(new Error('stopped'));
    await assert.rejects(pending, /stopped/);
  });

  it('rejects at once if the signal is aborted already', async () => {
    await assert.rejects(
      unlessAborted(Promise.resolve(1), AbortSignal.abort(new Error('stopped'))),
      /stopped/,
    );
  });
});
