# Sourced by scripts. step NAME COMMAND... runs the command with a headline
# before it and its minutes after it; a failure ends the script.
step() {
  local name=$1 start=$SECONDS status=0
  shift
  printf '\n==== %s\n' "$name"
  # Not in a condition: a function that fails midway must not go on.
  set +e
  (set -e; "$@")
  status=$?
  set -e
  local minutes
  minutes=$(awk "BEGIN { printf \"%.1f\", ($SECONDS - $start) / 60 }")
  if [[ $status -ne 0 ]]; then
    printf '==== %s: FAILED after %s min\n' "$name" "$minutes"
    exit "$status"
  fi
  printf '==== %s: %s min\n' "$name" "$minutes"
  step_minutes+=("$(printf '%6s min  %s' "$minutes" "$name")")
}
step_minutes=()

# Prints the minutes of all steps and of the whole script.
step_summary() {
  printf '\n'
  printf '%s\n' "${step_minutes[@]}"
  awk "BEGIN { printf \"%6.1f min  altogether\n\", $SECONDS / 60 }"
}
