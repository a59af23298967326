import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'jsdom',
    include: ['labextension/tests/**/*.test.{ts,tsx}'],
    setupFiles: ['labextension/tests/setup.ts'],
    silent: 'passed-only',
    server: {
      // These packages import without file endings, which only a bundler resolves.
      deps: {
        inline: [/@jupyterlab\//, /@jupyter\//, /@lumino\//, /@microsoft\//]
      }
    }
  }
});
