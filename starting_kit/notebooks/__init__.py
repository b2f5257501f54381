"""Taking `unlearning` out of a notebook, which is not executed.

`extraction` goes through it: `cells` reads the file; `statements` and `constants` say what is run when it is submitted; `calls`
finds the call that makes the submission, `route` the `way` to it and on to the checkpoint; `call`, `loader_settings` and `mode`
say what the call gives; `slicing` finds what all that is `needed`, by the `effects` of statements (with `changes`,
`calls_in_code`, `known_calls` and `indirect`), and `refusals` what is not executed; `adapter`, `adapter_text`, `rewriting` and
`solution_text` write it down; `remarks` and `data_sets` say what differs.
"""
