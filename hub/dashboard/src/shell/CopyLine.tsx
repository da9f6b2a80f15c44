import { useRef, useState } from 'react';

const CONFIRM_MS = 1_500;

/** A command with a button that copies it; where the clipboard is out of reach the button selects it. */
export function CopyLine({ text }: { text: string }) {
  const code = useRef<HTMLElement>(null);
  const [said, setSaid] = useState('Copy');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied');
    } catch {
      if (code.current) getSelection()?.selectAllChildren(code.current);
      setSaid('Selected');
    }
    setTimeout(() => setSaid('Copy'), CONFIRM_MS);
  };
  return (
    <div className="copy-line">
      <code ref={code} tabIndex={0}>
        {text}
      </code>
      <button type="button" className="btn" onClick={() => void copy()} aria-live="polite">
        {said}
      </button>
    </div>
  );
}
